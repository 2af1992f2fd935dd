/* SPDX-License-Identifier: MIT */
/*
 * The frontend's half of a ring, against Xen's own macros for the other half,
 * and against a backend that lies.
 */
// sources: xen/bus/ring.c tests/fake/hv.c tests/fake/shaky.c
#include "tests/fake/shaky.h"
#include "tests/unit/test.h"

#include "xen/bus/ring.h"

#include <string.h>

struct test_request {
    uint64_t id;
    uint32_t salt;
    uint32_t sum;
};

struct test_response {
    uint64_t id;
    uint32_t sum;
};

DEFINE_RING_TYPES(test, struct test_request, struct test_response);

#define SLOTS 128 /* of 16 bytes, with the header, in 4096 */

struct pair {
    struct ring front;
    struct test_back_ring back;
};

static char page[4 * XEN_PAGE_SIZE] __attribute__((aligned(4096)));

static void connect(struct pair *pair)
{
    memset(page, 0, sizeof(page));
    ring_init(&pair->front, page, XEN_PAGE_SIZE, sizeof(struct test_request));
    BACK_RING_INIT(&pair->back, (struct test_sring *)page, XEN_PAGE_SIZE);
    assert_int_equal(pair->front.size, SLOTS);
    assert_int_equal(pair->back.nr_ents, SLOTS);
}

/* As if so many entries had gone both ways already. */
static void age(struct pair *pair, RING_IDX index)
{
    struct ring_shared *shared = pair->front.shared;

    pair->front.req_prod = pair->front.req_pushed = index;
    pair->front.rsp_seen = pair->front.rsp_cons = index;
    pair->back.rsp_prod_pvt = pair->back.req_cons = index;
    shared->req_prod = shared->rsp_prod = index;
    shared->req_event = shared->rsp_event = index + 1;
}

static void put(struct pair *pair, uint64_t id)
{
    struct test_request request = {id, (uint32_t)~id, (uint32_t)id ^ 0x55};

    ring_put(&pair->front, &request, sizeof(request));
}

static bool back_take(struct pair *pair, struct test_request *request)
{
    int work;

    if (!RING_HAS_UNCONSUMED_REQUESTS(&pair->back)) {
        RING_FINAL_CHECK_FOR_REQUESTS(&pair->back, work);
        if (!work)
            return false;
    }
    *request = *RING_GET_REQUEST(&pair->back, pair->back.req_cons);
    pair->back.req_cons++;
    return true;
}

static void back_put(struct pair *pair, const struct test_request *request)
{
    struct test_response *response =
        RING_GET_RESPONSE(&pair->back, pair->back.rsp_prod_pvt);

    *response = (struct test_response){request->id, request->sum};
    pair->back.rsp_prod_pvt++;
}

static bool back_push(struct pair *pair)
{
    bool notify;

    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&pair->back, notify);
    return notify;
}

static unsigned answer_all(struct pair *pair)
{
    struct test_request request;
    unsigned nr = 0;

    for (; back_take(pair, &request); nr++)
        back_put(pair, &request);
    (void)back_push(pair);
    return nr;
}

static int take(struct pair *pair, struct test_response *response)
{
    return ring_take(&pair->front, response, sizeof(*response));
}

static void push_n(struct pair *pair, unsigned nr)
{
    while (nr--)
        put(pair, nr);
    (void)!ring_push(&pair->front);
}

/* ---- Shape */

static void layouts_agree(void **state)
{
    struct test_sring *sring = (void *)page;
    struct pair pair;

    (void)state;
    connect(&pair);
    assert_int_equal(sring->req_prod, 0);
    assert_int_equal(sring->rsp_prod, 0);
    assert_int_equal(sring->req_event, 1);
    assert_int_equal(sring->rsp_event, 1);
    assert_ptr_equal(pair.front.shared + 1, &sring->ring[0]);
    assert_int_equal(sizeof(sring->ring[0]), pair.front.slot_bytes);
}

static void sizes_are_those_of_xens_macro(void **state)
{
    struct ring ring;

    (void)state;
    ring_init(&ring, page, XEN_PAGE_SIZE, 2016); /* not a byte is left */
    assert_int_equal(ring.size, 2);
    for (unsigned pages = 1; pages <= 4; pages *= 2) {
        size_t bytes = pages * XEN_PAGE_SIZE;

        ring_init(&ring, page, bytes, sizeof(struct netif_tx_request));
        assert_int_equal(ring.size, __CONST_RING_SIZE(netif_tx, bytes));
        ring_init(&ring, page, bytes, sizeof(struct netif_rx_request));
        assert_int_equal(ring.size, __CONST_RING_SIZE(netif_rx, bytes));
    }
}

/* ---- Flow */

static void a_request_and_its_response(void **state)
{
    struct test_request request;
    struct test_response response;
    struct pair pair;

    (void)state;
    connect(&pair);
    put(&pair, 7);
    assert_false(back_take(&pair, &request)); /* not pushed yet */
    assert_true(ring_push(&pair.front));
    assert_true(back_take(&pair, &request));
    assert_int_equal(request.id, 7);
    assert_int_equal(request.salt, (uint32_t)~7);
    assert_int_equal(take(&pair, &response), 0);
    back_put(&pair, &request);
    assert_true(back_push(&pair));
    assert_int_equal(take(&pair, &response), 1);
    assert_int_equal(response.id, 7);
    assert_int_equal(response.sum, 7 ^ 0x55);
    assert_int_equal(take(&pair, &response), 0);
    assert_int_equal(ring_free(&pair.front), SLOTS);
}

static void a_slot_is_free_when_its_response_was_taken(void **state)
{
    struct test_response response;
    struct pair pair;

    (void)state;
    connect(&pair);
    push_n(&pair, SLOTS);
    assert_int_equal(ring_free(&pair.front), 0);
    assert_true(fake_asserts(put(&pair, 0)));
    assert_int_equal(answer_all(&pair), SLOTS);
    assert_int_equal(ring_free(&pair.front), 0);
    assert_int_equal(take(&pair, &response), 1);
    assert_int_equal(ring_free(&pair.front), 1);
    put(&pair, 0);
    assert_int_equal(ring_free(&pair.front), 0);
}

/* Indices run through 2^32 (A3's honest case). */
static void indices_wrap(void **state)
{
    struct test_response response;
    struct pair pair;

    (void)state;
    connect(&pair);
    age(&pair, UINT32_MAX - 5);
    for (unsigned round = 0; round < 4; round++) {
        push_n(&pair, 100);
        assert_int_equal(answer_all(&pair), 100);
        for (unsigned i = 100; i--;) {
            assert_int_equal(take(&pair, &response), 1);
            assert_int_equal(response.id, i);
        }
        assert_int_equal(take(&pair, &response), 0);
        assert_int_equal(ring_free(&pair.front), SLOTS);
    }
    assert_true(pair.front.rsp_cons < 1000);
}

/* ---- Notifications */

static void a_busy_backend_is_not_notified(void **state)
{
    struct test_request request;
    struct pair pair;

    (void)state;
    connect(&pair);
    put(&pair, 1);
    assert_true(ring_push(&pair.front));
    put(&pair, 2);
    assert_false(ring_push(&pair.front)); /* it has not gone to sleep yet */
    assert_false(ring_push(&pair.front)); /* and nothing is new */
    while (back_take(&pair, &request))
        continue;
    put(&pair, 3);
    put(&pair, 4);
    assert_true(ring_push(&pair.front));
}

static void arming_asks_for_the_next_response(void **state)
{
    struct test_response response;
    struct test_request request;
    struct pair pair;

    (void)state;
    connect(&pair);
    push_n(&pair, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_false(ring_arm(&pair.front));
        assert_true(back_take(&pair, &request));
        back_put(&pair, &request);
        assert_true(back_push(&pair));
        assert_true(ring_arm(&pair.front)); /* one came in the meantime */
        assert_int_equal(take(&pair, &response), 1);
    }
    assert_false(ring_arm(&pair.front));
}

static void arming_can_ask_for_a_later_response(void **state)
{
    struct test_request request;
    struct pair pair;

    (void)state;
    connect(&pair);
    push_n(&pair, 5);
    assert_false(ring_arm_after(&pair.front, 3));
    for (unsigned i = 1; i <= 5; i++) {
        assert_true(back_take(&pair, &request));
        back_put(&pair, &request);
        assert_int_equal(back_push(&pair), i == 3);
        assert_int_equal(ring_arm_after(&pair.front, 3), i >= 3);
    }
}

static void a_busy_frontend_is_not_notified(void **state)
{
    struct test_request request;
    struct pair pair;

    (void)state;
    connect(&pair);
    push_n(&pair, 2);
    assert_true(back_take(&pair, &request));
    back_put(&pair, &request);
    assert_true(back_push(&pair));
    assert_true(back_take(&pair, &request));
    back_put(&pair, &request);
    assert_false(back_push(&pair)); /* we did not arm since */
}

/* ---- docs/hardening.md, A1, A3 */

static void a3_more_responses_than_requests(void **state)
{
    static const RING_IDX lies[] = {4,         5,        SLOTS,
                                    SLOTS + 1, 1u << 31, UINT32_MAX};
    static const RING_IDX ages[] = {0, UINT32_MAX - 1};
    struct test_response response;
    struct pair pair;

    (void)state;
    for (unsigned a = 0; a < array_size(ages); a++) {
        for (unsigned i = 0; i < array_size(lies); i++) {
            connect(&pair);
            age(&pair, ages[a]);
            push_n(&pair, 3);
            put(&pair, 9); /* not pushed: not in flight */
            pair.front.shared->rsp_prod = ages[a] + lies[i];
            assert_int_equal(take(&pair, &response), -XEN_EIO);
            assert_int_equal(pair.front.rsp_cons, ages[a]);
            assert_true(ring_arm(&pair.front));
        }
    }
}

static void a3_an_index_that_goes_backwards(void **state)
{
    struct test_response response;
    struct pair pair;

    (void)state;
    connect(&pair);
    push_n(&pair, 10);
    assert_int_equal(answer_all(&pair), 10);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(take(&pair, &response), 1);
    pair.front.shared->rsp_prod = 9;
    assert_int_equal(take(&pair, &response), -XEN_EIO);
    pair.front.shared->rsp_prod = 11;
    assert_int_equal(take(&pair, &response), -XEN_EIO);
    pair.front.shared->rsp_prod = 10;
    assert_int_equal(take(&pair, &response), 0);
}

/* What was checked is what is used: an index that changes after the look does
 * no harm until the next one. */
static void a1_an_index_that_changes_after_the_check(void **state)
{
    struct test_response response;
    struct pair pair;

    (void)state;
    connect(&pair);
    push_n(&pair, 3);
    assert_int_equal(answer_all(&pair), 3);
    assert_int_equal(take(&pair, &response), 1);
    pair.front.shared->rsp_prod = 0x80000000;
    assert_int_equal(take(&pair, &response), 1);
    assert_int_equal(take(&pair, &response), 1);
    assert_int_equal(take(&pair, &response), -XEN_EIO);
}

/* Our own indices are never read back. */
static void a2_shared_copies_of_ours_are_not_trusted(void **state)
{
    struct test_request request;
    struct test_response response;
    struct pair pair;

    (void)state;
    connect(&pair);
    push_n(&pair, 3);
    pair.front.shared->req_prod = 77;
    pair.front.shared->rsp_event = 99;
    assert_int_equal(ring_free(&pair.front), SLOTS - 3);
    put(&pair, 5);
    (void)!ring_push(&pair.front);
    assert_int_equal(pair.front.shared->req_prod, 4);
    assert_true(back_take(&pair, &request));
    assert_int_equal(take(&pair, &response), 0);
    assert_int_equal(answer_all(&pair), 3);
}

/* A slot rewritten after it was taken is not seen again. */
static void a1_a_slot_that_changes_after_the_copy(void **state)
{
    struct test_response response;
    struct pair pair;

    (void)state;
    connect(&pair);
    push_n(&pair, 1);
    assert_int_equal(answer_all(&pair), 1);
    assert_int_equal(take(&pair, &response), 1);
    memset(page + sizeof(struct ring_shared), 0xff, 64);
    assert_int_equal(response.id, 0);
    assert_int_equal(response.sum, 0x55);
}

static void misuse_is_an_assert(void **state)
{
    char large[64] = {0};
    struct pair pair;
    int taken = 0;

    (void)state;
    connect(&pair);
    assert_true(fake_asserts(ring_put(&pair.front, large, 20)));
    assert_true(fake_asserts(ring_put(&pair.front, large, 7)));
    assert_true(fake_asserts(taken = ring_take(&pair.front, large, 20)));
    assert_true(fake_asserts(ring_init(&pair.front, page, 64, 16)));
    assert_true(fake_asserts(ring_init(&pair.front, page, 4096, 6)));
    assert_int_equal(taken, 0);
}

/* ---- Random lives: an honest backend that does some of its work at a time,
 * then one that writes anything anywhere. */

static void random_honest_traffic(void **state)
{
    uint64_t next_id = 0, next_answer = 0;
    bool front_asleep = false, back_asleep = true;
    unsigned nr_rests = 0;
    struct test_request request;
    struct test_response response;
    struct pair pair;

    (void)state;
    connect(&pair);
    age(&pair, UINT32_MAX - 5000);
    for (unsigned step = 0; step < 50000; step++) {
        switch (fake_random_below(3)) {
        case 0:
            for (unsigned n = fake_random_below(SLOTS); n--;)
                if (ring_free(&pair.front))
                    put(&pair, next_id++);
            if (ring_push(&pair.front))
                back_asleep = false;
            break;
        case 1:
            if (back_asleep)
                break;
            for (unsigned n = fake_random_below(SLOTS); n-- && !back_asleep;)
                if (back_take(&pair, &request))
                    back_put(&pair, &request);
                else
                    back_asleep = true;
            if (back_push(&pair))
                front_asleep = false;
            break;
        case 2:
            if (front_asleep)
                break;
            while (take(&pair, &response) == 1)
                assert_int_equal(response.id, next_answer++);
            front_asleep = !ring_arm(&pair.front);
            break;
        }
        /* Both asleep with work on the ring: a notification was lost. */
        if (front_asleep && back_asleep) {
            assert_int_equal(next_answer, next_id);
            nr_rests++;
        }
    }
    assert_true(next_answer > 100000 && nr_rests > 1000);
}

static void scribble(void)
{
    size_t bytes = fake_chance(70) ? sizeof(struct ring_shared) : XEN_PAGE_SIZE;
    size_t at = fake_random_below((unsigned)bytes / 4);
    uint32_t value = (uint32_t)fake_random();

    if (fake_chance(60))
        value = fake_random_below(2 * SLOTS);
    memcpy(page + 4 * at, &value, sizeof(value));
}

/* The backend writes between any two reads: nothing in a slot is read twice. */
static void a1_each_word_of_a_slot_is_read_once(void **state)
{
    struct test_response responses[5];
    struct pair pair;
    int got = 0;

    (void)state;
    connect(&pair);
    push_n(&pair, 5);
    assert_int_equal(answer_all(&pair), 5);
    shaky_start(pair.front.shared + 1, SLOTS * sizeof(struct test_request),
                ~0u);
    for (unsigned i = 0; i < 5; i++)
        got += take(&pair, &responses[i]);
    assert_int_equal(shaky_stop(),
                     5 * sizeof(struct test_response) / sizeof(uint32_t));
    assert_int_equal(got, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(responses[i].id, 4 - i);
        assert_int_equal(responses[i].sum, (4 - i) ^ 0x55);
    }
}

/* Every look at rsp_prod finds something else than the one before: what was
 * checked is what is believed. */
static void a1_each_look_at_the_index_is_one_read(void **state)
{
    static const uint32_t steps[] = {1, 2, 4, 8, 1u << 31, ~0u};
    struct test_response response;
    struct pair pair;
    int first, last;

    (void)state;
    for (unsigned i = 0; i < array_size(steps); i++) {
        connect(&pair);
        push_n(&pair, 3);
        assert_int_equal(answer_all(&pair), 3);
        shaky_start(&pair.front.shared->rsp_prod, sizeof(RING_IDX), steps[i]);
        first = take(&pair, &response);
        assert_int_equal(shaky_stop(), 1);
        assert_int_equal(first, 1);
        assert_int_equal(pair.front.rsp_seen, 3);
        assert_int_equal(take(&pair, &response), 1);
        assert_int_equal(take(&pair, &response), 1);
        last = take(&pair, &response);
        assert_int_equal(last, -XEN_EIO);
        assert_int_equal(pair.front.rsp_seen, 3);
    }
}

static void a3_random_lies(void **state)
{
    struct test_response response;
    struct pair pair;
    unsigned nr_taken = 0, nr_broken = 0;

    (void)state;
    for (unsigned life = 0; life < 2000; life++) {
        connect(&pair);
        for (unsigned step = 0; step < 50; step++) {
            int taken;

            scribble();
            for (unsigned n = fake_random_below(8); n--;)
                if (ring_free(&pair.front))
                    put(&pair, n);
            (void)!ring_push(&pair.front);
            scribble();
            taken = take(&pair, &response);
            assert_true(pair.front.rsp_cons <= pair.front.rsp_seen &&
                        pair.front.rsp_seen <= pair.front.req_pushed);
            assert_true(ring_free(&pair.front) <= SLOTS);
            (void)!ring_arm(&pair.front);
            nr_taken += taken == 1;
            nr_broken += taken < 0;
            assert_true(taken == 0 || taken == 1 || taken == -XEN_EIO);
        }
    }
    assert_true(nr_taken > 1000 && nr_broken > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_on_fake(layouts_agree),
        test_on_fake(sizes_are_those_of_xens_macro),
        test_on_fake(a_request_and_its_response),
        test_on_fake(a_slot_is_free_when_its_response_was_taken),
        test_on_fake(indices_wrap),
        test_on_fake(a_busy_backend_is_not_notified),
        test_on_fake(arming_asks_for_the_next_response),
        test_on_fake(arming_can_ask_for_a_later_response),
        test_on_fake(a_busy_frontend_is_not_notified),
        test_on_fake(a3_more_responses_than_requests),
        test_on_fake(a3_an_index_that_goes_backwards),
        test_on_fake(a1_an_index_that_changes_after_the_check),
        test_on_fake(a1_each_word_of_a_slot_is_read_once),
        test_on_fake(a1_each_look_at_the_index_is_one_read),
        test_on_fake(a2_shared_copies_of_ours_are_not_trusted),
        test_on_fake(a1_a_slot_that_changes_after_the_copy),
        test_on_fake(misuse_is_an_assert),
        test_on_fake(random_honest_traffic),
        test_on_fake(a3_random_lies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
