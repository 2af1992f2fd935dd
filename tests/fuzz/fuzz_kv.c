/* SPDX-License-Identifier: MIT */
/*
 * Any bytes to the key-value server, split anywhere, their answers taken in any
 * steps: what comes out is always a row of whole answers, memory stays within
 * its budgets, and all of it comes back. What was noted for the file, done
 * anew, makes the same keys and values.
 *
 * Input: up to the first NUL, one byte each for what happens next (how much
 * arrives, how much is taken, time, a batch of the journal, another client);
 * after it, what the client sends. The plan is repeated while there is
 * something to send. The first byte's bit 0: answers wait for the disk; bit 1:
 * there is a password, "pw".
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
#include "tests/unit/kv_digest.h"

#define HELD_MAX   65536
#define OUTPUT_MAX (256 * 1024)
#define MEMORY_MAX (1 << 20)
#define OUT_MAX    (8 << 20)
#define LOG_MAX    (32 << 20)

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
static char noted[LOG_MAX]; /* for the file */
static size_t noted_bytes;

static void wake(struct kv_aof *taker)
{
    (void)taker;
}

static void open_kv(unsigned char how)
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
    kv.journal.withholds = how & 1;
    kv.password = how & 2 ? "pw" : NULL;
    kv.journal.wake = wake;
    kv_conn_init(&conn, &kv);
    out_bytes = noted_bytes = 0;
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
    if (kv.journal.depth)
        return; /* as kv_aof does */
    check(noted_bytes + kv.journal.used <= LOG_MAX);
    if (kv.journal.used)
        memcpy(noted + noted_bytes, kv.journal.bytes, kv.journal.used);
    noted_bytes += kv.journal.used;
    kv.journal.used = 0;
    kv.journal.is_taken = true;
    kv_conn_batch_begins(&conn);
    kv.journal.is_taken = false;
    kv_conn_batch_ends(&conn);
}

/* Do all that was noted, with no client: the same must be there. */
static void check_noted(void)
{
    static const struct kv_resp_limits limits = {KV_WORDS_MAX, KV_VALUE_MAX};
    struct kv again = {
        .store.memory = &pages,
        .store.now_ms = kv.store.now_ms,
        .store.hash_key = kv.store.hash_key,
        .store.keeps_expired = true,
        .outputs.bytes_max = OUTPUT_MAX,
    };
    struct kv_output answers;
    const char *error;

    check(!kv_db_init(&again));
    for (size_t at = 0; at < noted_bytes;) {
        struct kv_resp resp = {0};
        struct kv_call call = {.kv = &again, .out = &answers};

        check(kv_resp_read(&resp, &again.words, noted + at, noted_bytes - at,
                           &limits, &error) == KV_RESP_READY);
        at += resp.at;
        call.words = again.words.at;
        call.nr = again.words.nr;
        if (kv_text_is(call.words[0], "multi") ||
            kv_text_is(call.words[0], "exec"))
            continue;
        check(kv_command_is_noted(call.words, call.nr));
        kv_output_init(&answers, &again.outputs);
        kv_command_run(&call);
        kv_output_free(&answers);
    }
    check(!again.outputs.nr_errors);
    again.store.keeps_expired = false;
    kv_store_expire(&again.store, UINT16_MAX);
    kv_store_expire(&kv.store, UINT16_MAX);
    check(kv_digest(&again.store) == kv_digest(&kv.store));
    kv_db_free(&again);
}

/* ---- Another client: it changes what may be watched, and comes and goes. */

static void let_other_speak(unsigned char what)
{
    static const char *const says[] = {
        "AUTH pw\r\nSET a x\r\n",     "AUTH pw\r\nAPPEND k x\r\n",
        "AUTH pw\r\nFLUSHALL\r\n",    "AUTH pw\r\nWATCH a k\r\nKEYS *\r\n",
        "AUTH pw\r\nCLIENT LIST\r\n", "AUTH pw\r\nMULTI\r\nDEL a\r\nEXEC\r\n"};
    struct kv_conn other;
    char text[64];

    strcpy(text, says[what / 8 % array_size(says)]);
    kv_conn_init(&other, &kv);
    kv_conn_receive(&other, text, strlen(text));
    kv_conn_end(&other);
}

/* ---- One step of the plan; returns how much more has arrived. */

static size_t step(unsigned char what, char *bytes, size_t len)
{
    size_t n = 0;

    kv.steps_left = what / 4;
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
    case 3:
        let_other_speak(what);
        break;
    default:
        n = what < 128 ? 1u + what / 8 : 1u << what / 16;
        n = kv_conn_receive(&conn, bytes, n < len ? n : len);
    }
    if (kv_conn_is_working(&conn))
        kv_conn_continue(&conn);
    check(!kv.exclusive == !kv.journal.depth);
    check(kv.held_bytes <= HELD_MAX);
    check(kv.outputs.bytes < OUTPUT_MAX + 4096);
    kv_store_tidy(&kv.store, 5);
    return n;
}

static void drain(void)
{
    kv_work_turn(&kv);
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
    open_kv(data[0]);
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
    check_noted();
    close_kv();
    free(bytes);
    return 0;
}
