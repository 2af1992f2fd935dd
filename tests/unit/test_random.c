/* SPDX-License-Identifier: MIT */
/* The generator: the RFC's vectors, and what happens to state and seed. */
// sources: kernel/random.c tests/fake/hv.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/random.h"
#include "tests/fake/fake.h"

/* RFC 8439, 2.3.2 and appendix A.1 */
static const struct {
    uint8_t key[32], nonce[12];
    uint32_t counter;
    uint32_t block[RANDOM_BLOCK_WORDS];
} vectors[] = {
    {.key = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
             16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31},
     .nonce = {0, 0, 0, 9, 0, 0, 0, 0x4a},
     .counter = 1,
     .block = {0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7,
               0x0368c033, 0x9aaa2204, 0x4e6cd4c3, 0x466482d2, 0x09aa9f07,
               0x05d7c214, 0xa2028bd9, 0xd19c12b5, 0xb94e16de, 0xe883d0cb,
               0x4e3c50a2}},
    {.counter = 0,
     .block = {0xade0b876, 0x903df1a0, 0xe56a5d40, 0x28bd8653, 0xb819d2bd,
               0x1aed8da0, 0xccef36a8, 0xc70d778b, 0x7c5941da, 0x8d485751,
               0x3fe02477, 0x374ad8b8, 0xf4b8436a, 0x1ca11815, 0x69b687c3,
               0x8665eeb2}},
    {.counter = 1,
     .block = {0xbee7079f, 0x7a385155, 0x7c97ba98, 0x0d082d73, 0xa0290fcb,
               0x6965e348, 0x3e53c612, 0xed7aee32, 0x7621b729, 0x434ee69c,
               0xb03371d5, 0xd539d874, 0x281fed31, 0x45fb0a51, 0x1f0ae1ac,
               0x6f4d794b}},
    {.key = {[31] = 1},
     .counter = 1,
     .block = {0x2452eb3a, 0x9249f8ec, 0x8d829d9b, 0xddd4ceb1, 0xe8252083,
               0x60818b01, 0xf38422b8, 0x5aaa49c9, 0xbb00ca8e, 0xda3ba7b4,
               0xc4b592d1, 0xfdf2732f, 0x4436274e, 0x2561b3c8, 0xebdd4aa6,
               0xa0136c00}},
    {.key = {[1] = 0xff},
     .counter = 2,
     .block = {0xfb4dd572, 0x4bc42ef1, 0xdf922636, 0x327f1394, 0xa78dea8f,
               0x5e269039, 0xa1bebbc1, 0xcaf09aae, 0xa25ab213, 0x48a6b46c,
               0x1b9d9bcb, 0x092c5be6, 0x546ca624, 0x1bec45d5, 0x87f47473,
               0x96f0992e}},
    {.nonce = {[11] = 2},
     .counter = 0,
     .block = {0x374dc6c2, 0x3736d58c, 0xb904e24a, 0xcd3f93ef, 0x88228b1a,
               0x96a4dfb3, 0x5b76ab72, 0xc727ee54, 0x0e0e978a, 0xf3145c95,
               0x1b748ea8, 0xf786c297, 0x99c28f5f, 0x628314e8, 0x398a19fa,
               0x6ded1b53}},
};

static void blocks_are_those_of_the_rfc(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_size(vectors); i++) {
        uint32_t key[RANDOM_KEY_WORDS], input[4], out[RANDOM_BLOCK_WORDS];

        memcpy(key, vectors[i].key, sizeof(key));
        input[0] = vectors[i].counter;
        memcpy(input + 1, vectors[i].nonce, sizeof(vectors[i].nonce));
        random_block(key, input, out);
        assert_memory_equal(out, vectors[i].block, sizeof(out));
    }
}

/* The generator's definition, written the other way round: a block at counter
 * 0 with no nonce is the next key and 32 bytes of output. */
static void output_is_the_second_half_of_each_block(void **state)
{
    (void)state;
    struct random random;
    uint8_t out[320];
    uint32_t key[RANDOM_KEY_WORDS], block[RANDOM_BLOCK_WORDS];
    static const uint32_t input[4];

    random_init(&random);
    random_bytes(&random, out, sizeof(random.pool)); /* the seeding's rest */
    memcpy(key, random.key, sizeof(key));
    random_bytes(&random, out, sizeof(out));
    for (size_t at = 0; at < sizeof(out); at += 32) {
        random_block(key, input, block);
        memcpy(key, block, sizeof(key));
        assert_memory_equal(out + at, block + RANDOM_KEY_WORDS, 32);
    }
}

static void pieces_of_any_size_make_the_same_stream(void **state)
{
    (void)state;
    struct random random, same;
    uint8_t whole[1000], pieces[1000];

    random_init(&random);
    same = random;
    random_bytes(&random, whole, sizeof(whole));
    for (size_t at = 0; at < sizeof(pieces);) {
        size_t len = fake_random_below(70);
        if (len > sizeof(pieces) - at)
            len = sizeof(pieces) - at;
        random_bytes(&same, pieces + at, len);
        at += len;
    }
    assert_memory_equal(whole, pieces, sizeof(whole));
}

static bool contains(const void *memory, size_t bytes, const void *what,
                     size_t len)
{
    for (size_t at = 0; at + len <= bytes; at++) {
        if (memcmp((const char *)memory + at, what, len) == 0)
            return true;
    }
    return false;
}

/* A leaked state does not reveal what was handed out before. */
static void what_was_handed_out_is_erased(void **state)
{
    (void)state;
    struct random random;
    uint8_t out[8];

    random_init(&random);
    for (unsigned i = 0; i < 100; i++) {
        uint32_t key[RANDOM_KEY_WORDS];

        memcpy(key, random.key, sizeof(key));
        random_bytes(&random, out, sizeof(out));
        assert_false(contains(&random, sizeof(random), out, sizeof(out)));
        if (memcmp(key, random.key, sizeof(key)) != 0)
            assert_false(contains(&random, sizeof(random), key, 8));
    }
}

static void seeding_uses_the_cpus_generator(void **state)
{
    (void)state;
    struct random random;

    random_init(&random);
    assert_true(random.seeded);
    assert_true(fake_calls(FAKE_RANDOM) >= 4); /* 256 bits */
}

static void a_hiccup_of_the_cpu_is_tried_again(void **state)
{
    (void)state;
    struct random random;

    fake_fail_call(FAKE_RANDOM, 2, -1);
    random_init(&random);
    assert_true(random.seeded);
}

static void without_the_cpus_generator_it_says_so(void **state)
{
    (void)state;
    struct random random;
    uint8_t zeroes[sizeof(random.key)] = {0};

    fake_fail_call(FAKE_RANDOM, 0, -1);
    random_init(&random);
    fake_fail_none();
    assert_false(random.seeded);
    assert_memory_not_equal(random.key, zeroes, sizeof(zeroes));
    assert_true(fake_calls(FAKE_RANDOM) < 100);
}

/* Two guests, the same CPU that has no generator, another time of boot. */
static void the_clocks_make_a_difference(void **state)
{
    static const struct fake_config later = {.start_ns = 1000000001},
                                    other_day = {.wall_base_ns = 1};
    static const struct fake_config *const configs[] = {NULL, &later,
                                                        &other_day};
    uint32_t first[array_size(configs)];

    (void)state;
    for (size_t i = 0; i < array_size(configs); i++) {
        struct random random;

        fake_start(configs[i]);
        fake_fail_call(FAKE_RANDOM, 0, -1);
        random_init(&random);
        first[i] = random_u32(&random);
        fake_stop();
    }
    assert_int_not_equal(first[0], first[1]);
    assert_int_not_equal(first[0], first[2]);
    assert_int_not_equal(first[1], first[2]);
}

/* Not a proof of anything, but a dropped round or a stuck byte fails it. */
static void bits_are_set_half_of_the_time(void **state)
{
    (void)state;
    struct random random;
    unsigned ones[32] = {0};

    random_init(&random);
    for (unsigned i = 0; i < 10000; i++) {
        uint32_t number = random_u32(&random);
        for (unsigned bit = 0; bit < 32; bit++)
            ones[bit] += number >> bit & 1;
    }
    for (unsigned bit = 0; bit < 32; bit++)
        assert_in_range(ones[bit], 4700, 5300); /* six sigma */
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_those_of_the_rfc),
        TEST(output_is_the_second_half_of_each_block),
        TEST(pieces_of_any_size_make_the_same_stream),
        TEST(what_was_handed_out_is_erased),
        TEST(seeding_uses_the_cpus_generator),
        TEST(a_hiccup_of_the_cpu_is_tried_again),
        TEST(without_the_cpus_generator_it_says_so),
        cmocka_unit_test(the_clocks_make_a_difference),
        TEST(bits_are_set_half_of_the_time),
    };

    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
