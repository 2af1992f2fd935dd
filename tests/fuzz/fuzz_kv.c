/* SPDX-License-Identifier: MIT */
/*
 * Any bytes to the key-value server, split anywhere, their answers taken in any
 * steps: what comes out is always a row of whole answers, memory stays within
 * its budgets, and all of it comes back.
 *
 * Input: up to the first NUL, one byte each for what happens next (how much
 * arrives, how much is taken, time, a batch of the journal); after it, what the
 * client sends. The plan is repeated while there is something to send.
 */
// sources: apps/kv/kv_conn.c apps/kv/kv_command.c apps/kv/kv_strings.c
// sources: apps/kv/kv_keys.c apps/kv/kv_admin.c apps/kv/kv_info.c
// sources: apps/kv/kv_scan.c apps/kv/kv_glob.c apps/kv/kv_work.c
// sources: apps/kv/kv_client.c apps/kv/kv_decimal.c apps/kv/kv_multi.c
// sources: apps/kv/kv_table.c apps/kv/kv_watch.c
// sources: apps/kv/kv_db.c apps/kv/kv_output.c apps/kv/kv_resp.c
// sources: apps/kv/kv_journal.c apps/kv/kv_store.c apps/kv/kv_hash.c
// sources: apps/kv/kv_text.c kernel/page.c xen/evtchn.c tests/fake/hv.c
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/kv/kv_conn.h"
#include "apps/kv/kv_work.h"
#include "tests/fake/fake.h"

#define HELD_MAX   65536
#define OUTPUT_MAX (256 * 1024)
#define MEMORY_MAX (1 << 20)
#define OUT_MAX    (8 << 20)

#define check(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                        \
        }                                                                   \
    } while (0)

static struct pages pages;
static struct kv kv;
static struct kv_conn conn;
static char out[OUT_MAX];
static size_t out_bytes;

static void wake(struct kv_aof *taker)
{
    (void)taker;
}

static void open_kv(bool withholds)
{
    kv = (struct kv){
        .store.memory = &pages,
        .store.now_ms = 1000000,
        .memory_max = MEMORY_MAX,
        .held_max = HELD_MAX,
        .word_max = HELD_MAX / 2,
        .outputs.bytes_max = OUTPUT_MAX,
        .clients_max = 10,
    };
    check(!kv_db_init(&kv));
    kv.journal.is_on = true;
    kv.journal.withholds = withholds;
    kv.journal.wake = wake;
    kv_conn_init(&conn, &kv);
    out_bytes = 0;
}

static void close_kv(void)
{
    kv_conn_end(&conn);
    check(!kv.held_bytes && !kv.outputs.bytes);
    kv_db_free(&kv);
    check(!kv.store.used_bytes && !pages.nr_used);
}

/* ---- Answers */

/* The length of the answer that begins there; it is whole. */
static size_t answer_bytes(const char *at, const char *end)
{
    const char *line = memchr(at, '\n', (size_t)(end - at));
    size_t len;
    long number;

    check(line && line > at && line[-1] == '\r');
    check(strchr("+-:$*", at[0]));
    len = (size_t)(line + 1 - at);
    if (at[0] != '$' && at[0] != '*')
        return len;
    number = atol(at + 1);
    check(number >= -1);
    if (at[0] == '$' && number >= 0) {
        check((size_t)(end - at) >= len + (size_t)number + 2);
        check(!memcmp(at + len + number, "\r\n", 2));
        return len + (size_t)number + 2;
    }
    for (; at[0] == '*' && number > 0; number--)
        len += answer_bytes(at + len, end);
    return len;
}

static void check_answers(void)
{
    const char *at = out, *end = out + out_bytes;

    while (at < end)
        at += answer_bytes(at, end);
}

static void take(size_t step)
{
    struct kv_text piece;

    while (step && kv_conn_output(&conn, &piece)) {
        size_t len = piece.len < step ? piece.len : step;

        check(piece.len && out_bytes + len <= sizeof(out));
        memcpy(out + out_bytes, piece.at, len);
        out_bytes += len;
        kv_conn_taken(&conn, len);
        step -= len;
    }
}

static void write_journal(void)
{
    kv.journal.used = 0;
    kv.journal.is_taken = true;
    kv_conn_batch_begins(&conn);
    kv.journal.is_taken = false;
    kv_conn_batch_ends(&conn);
}

/* ---- One step of the plan; returns how much more has arrived. */

static size_t step(unsigned char what, char *bytes, size_t len)
{
    size_t n = 0;

    switch (what % 8) {
    case 0:
        take(1 + what);
        break;
    case 1:
        kv.store.now_ms += what * 100;
        kv_store_expire(&kv.store, what);
        break;
    case 2:
        write_journal();
        break;
    default:
        n = what < 128 ? 1u + what / 8 : 1u << what / 16;
        n = kv_conn_receive(&conn, bytes, n < len ? n : len);
    }
    kv_work_turn(&kv);
    if (kv_conn_is_working(&conn))
        kv_conn_continue(&conn);
    check(kv.held_bytes <= HELD_MAX);
    check(kv.outputs.bytes < OUTPUT_MAX + 4096);
    kv_store_tidy(&kv.store, 5);
    return n;
}

static void drain(void)
{
    while (kv_conn_is_working(&conn) && kv_conn_continue(&conn))
        kv_work_turn(&kv);
    write_journal();
    take(SIZE_MAX);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fake_start(NULL);
    pages_init(&pages);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, 0, size);
    size_t plan = end ? (size_t)(end - data) : 0,
           len = end ? size - plan - 1 : 0, at = 0;
    unsigned idle = 0;
    char *bytes;

    if (!plan || !len)
        return 0;
    bytes = malloc(len);
    memcpy(bytes, end + 1, len);
    open_kv(data[0] & 1);
    for (size_t i = 0; at < len && idle < 2 * plan; i++) {
        size_t n = step(data[i % plan], bytes + at, len - at);

        idle = n ? 0 : idle + 1;
        if (idle == 2 * plan) {
            drain();
            idle = kv_conn_has_failed(&conn) ? idle : 0;
            n = kv_conn_receive(&conn, bytes + at, len - at);
            idle = n ? idle : 2 * (unsigned)plan;
        }
        at += n;
    }
    drain();
    if (!kv_conn_has_failed(&conn))
        check_answers();
    close_kv();
    free(bytes);
    return 0;
}
