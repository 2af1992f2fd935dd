/* SPDX-License-Identifier: MIT */
/*
 * Commands about connections: AUTH, HELLO, CLIENT. There is one user, named
 * default, and one password for all, or none.
 */
#include "apps/kv/kv_conn.h"
#include "apps/kv/kv_info.h"
#include "apps/kv/kv_work.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define US_PER_S      1000000
/* A line of CLIENT LIST: two addresses, a name, numbers. */
#define LINE_MAX      512
/* The cost of writing a line; each LINE_STEPS clients skipped cost a step. */
#define LINE_STEPS    16
#define PASSED_A_STEP 16
/* Lines in one step. */
#define LINES_A_STEP  8

/* ---- AUTH */

/* Takes time by the given word's length alone, whatever the password is. */
static bool is_password(const char *password, struct kv_text word)
{
    size_t len = strlen(password);
    volatile unsigned char differs = word.len != len;

    for (size_t i = 0; i < word.len; i++)
        differs |= (unsigned char)(word.at[i] ^ password[len ? i % len : 0]);
    return !differs;
}

/* False: the error was sent. */
static bool let_in(struct kv_call *call, struct kv_text user,
                   struct kv_text word)
{
    const char *password = call->kv->password;

    if (!kv_text_equal(user, KV_TEXT("default")) ||
        (password && !is_password(password, word))) {
        call->kv->stats.strangers++;
        kv_output_error(call->out, "WRONGPASS invalid username-password pair "
                                   "or user is disabled.");
        return false;
    }
    call->conn->is_known = true;
    return true;
}

void kv_client_auth(struct kv_call *call)
{
    struct kv_text user = KV_TEXT("default");

    if (call->nr > 3) {
        kv_command_syntax(call);
        return;
    }
    if (call->nr == 2 && !call->kv->password) {
        kv_output_error(call->out,
                        "ERR AUTH <password> called without any password "
                        "configured for the default user. Are you sure your "
                        "configuration is correct?");
        return;
    }
    if (call->nr == 3)
        user = call->words[1];
    if (let_in(call, user, call->words[call->nr - 1]))
        kv_output_ok(call->out);
}

/* ---- Names */

static bool is_name(struct kv_text text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < '!' || text.at[i] > '~')
            return false;
    return text.len <= KV_NAME_MAX;
}

/* False: the error was sent. */
static bool set_name(struct kv_call *call, struct kv_text text)
{
    char *name;

    if (!is_name(text)) {
        kv_output_error(call->out, "ERR Client names cannot contain spaces, "
                                   "newlines or special characters.");
        return false;
    }
    name = text.len ? strndup(text.at, text.len) : NULL;
    if (text.len && !name) {
        kv_command_no_memory(call);
        return false;
    }
    free(call->conn->name);
    call->conn->name = name;
    return true;
}

/* ---- HELLO */

static void answer_hello(struct kv_call *call)
{
    kv_output_array(call->out, 14);
    kv_output_string(call->out, "server");
    kv_output_string(call->out, "redis");
    kv_output_string(call->out, "version");
    kv_output_string(call->out, KV_INFO_VERSION);
    kv_output_string(call->out, "proto");
    kv_output_number(call->out, 2);
    kv_output_string(call->out, "id");
    kv_output_number(call->out, (int64_t)call->conn->id);
    kv_output_string(call->out, "mode");
    kv_output_string(call->out, "standalone");
    kv_output_string(call->out, "role");
    kv_output_string(call->out, "master");
    kv_output_string(call->out, "modules");
    kv_output_array(call->out, 0);
}

/* HELLO's options; all are read before any is applied. */
struct hello {
    const struct kv_text *user, *password, *name;
};

static bool read_hello(struct kv_call *call, struct hello *hello)
{
    *hello = (struct hello){0};
    for (unsigned i = 2; i < call->nr; i++) {
        struct kv_text word = call->words[i];
        unsigned more = call->nr - 1 - i;

        if (kv_text_is(word, "auth") && more >= 2) {
            hello->user = &call->words[i + 1];
            hello->password = &call->words[i + 2];
            i += 2;
        } else if (kv_text_is(word, "setname") && more >= 1) {
            hello->name = &call->words[++i];
        } else {
            kv_output_error(call->out,
                            "ERR Syntax error in HELLO option '%.*s'",
                            (int)(word.len < 64 ? word.len : 64), word.at);
            return false;
        }
    }
    return true;
}

/* HELLO [2 [AUTH user password] [SETNAME name]] */
void kv_client_hello(struct kv_call *call)
{
    int64_t version = 2;
    struct hello hello;

    if (call->nr > 1 && !kv_text_number(call->words[1], &version)) {
        kv_output_error(call->out, "ERR Protocol version is not an integer or "
                                   "out of range");
        return;
    }
    if (version != 2) {
        kv_output_error(call->out, "NOPROTO unsupported protocol version");
        return;
    }
    if (!read_hello(call, &hello))
        return;
    if (hello.user && !let_in(call, *hello.user, *hello.password))
        return;
    if (!call->conn->is_known) {
        kv_output_error(call->out,
                        "NOAUTH HELLO must be called with the client already "
                        "authenticated, otherwise the HELLO <proto> AUTH "
                        "<user> <pass> option can be used to authenticate the "
                        "client and select the RESP protocol version at the "
                        "same time");
        return;
    }
    if (!hello.name || set_name(call, *hello.name))
        answer_hello(call);
}

/* ---- CLIENT LIST and INFO */

static uint64_t seconds_since(const struct kv *kv, uint64_t us)
{
    return kv->now_us > us ? (kv->now_us - us) / US_PER_S : 0;
}

static size_t write_line(char line[LINE_MAX], const struct kv_conn *conn)
{
    const struct kv *kv = conn->kv;
    const struct kv_multi *multi = &conn->multi;
    char from[KV_ADDRESS_MAX] = "", to[KV_ADDRESS_MAX] = "";
    uint64_t bytes = kv_output_bytes(&conn->out);
    int len;

    if (kv->addresses)
        kv->addresses(conn, from, to);
    len = snprintf(
        line, LINE_MAX,
        "id=%" PRIu64 " addr=%s laddr=%s fd=%" PRIu64 " name=%s age=%" PRIu64
        " idle=%" PRIu64 " flags=%s%s%s%s db=0 sub=0 psub=0 multi=%d qbuf=%zu "
        "qbuf-free=%zu multi-mem=%zu obl=%" PRIu64 " oll=0 omem=%" PRIu64
        " events=r cmd=%s user=default redir=-1 resp=2\n",
        conn->id, from, to, conn->id, conn->name ? conn->name : "",
        seconds_since(kv, conn->since_us), seconds_since(kv, conn->last_us),
        multi->is_open ? "x" : "", multi->has_changed ? "d" : "",
        conn->is_closing ? "c" : "",
        multi->is_open || multi->has_changed || conn->is_closing ? "" : "N",
        multi->is_open ? (int)multi->nr : -1, conn->held_bytes,
        conn->held_room - conn->held_bytes, multi->bytes, bytes, bytes,
        conn->last_name ? conn->last_name : "NULL");
    return len < LINE_MAX ? (size_t)len : LINE_MAX - 1;
}

static void client_info(struct kv_call *call)
{
    char line[LINE_MAX];
    size_t len = write_line(line, call->conn);

    kv_output_bulk(call->out, (struct kv_text){line, len});
}

struct list {
    struct kv_work work;
    uint64_t next_id; /* list all, from this one on */
    unsigned at, nr;  /* or only these ids */
    uint64_t ids[];
};

/* The first client with that id or a later one. */
static struct kv_conn *find_from(struct list *list, uint64_t id)
{
    struct kv_conn *conn = list->work.kv->conns;
    unsigned passed = 0;

    for (; conn && conn->id < id; conn = conn->next)
        passed++;
    kv_work_spend(&list->work, 1 + passed / PASSED_A_STEP);
    return conn;
}

static void put_line(struct list *list, const struct kv_conn *conn)
{
    char line[LINE_MAX];
    size_t len = write_line(line, conn);

    kv_output_add(&list->work.found, line, len);
    kv_work_spend(&list->work, LINE_STEPS);
}

/* False: the list is complete. */
static bool put_some(struct list *list)
{
    struct kv_conn *conn;

    if (list->nr) {
        conn = find_from(list, list->ids[list->at]);
        if (conn && conn->id == list->ids[list->at])
            put_line(list, conn);
        return ++list->at < list->nr;
    }
    conn = find_from(list, list->next_id);
    for (unsigned i = 0; conn && i < LINES_A_STEP; i++, conn = conn->next) {
        put_line(list, conn);
        list->next_id = conn->id + 1;
    }
    return conn;
}

static bool list_step(struct kv_work *work)
{
    struct list *list = container_of(work, struct list, work);

    if (put_some(list) && !work->found.has_failed)
        return true;
    kv_output_bulk_head(work->out, work->found.added);
    kv_output_move(work->out, &work->found);
    kv_output_add(work->out, "\r\n", 2);
    return false;
}

static struct list *begin_list(struct kv_call *call, unsigned nr_ids)
{
    struct kv_work *work = kv_work_make(
        call, sizeof(struct list) + nr_ids * sizeof(uint64_t), list_step, NULL);

    if (!work)
        return NULL;
    container_of(work, struct list, work)->nr = nr_ids;
    return container_of(work, struct list, work);
}

static void list_ids(struct kv_call *call)
{
    struct list *list;
    int64_t id;

    for (unsigned i = 3; i < call->nr; i++)
        if (!kv_text_number(call->words[i], &id) || id < 1) {
            kv_output_error(call->out, "ERR Invalid client ID");
            return;
        }
    list = begin_list(call, call->nr - 3);
    for (unsigned i = 3; list && i < call->nr; i++)
        if (kv_text_number(call->words[i], &id))
            list->ids[i - 3] = (uint64_t)id;
}

/* All clients are of type "normal". */
static void list_type(struct kv_call *call)
{
    static const char *const others[] = {"master", "replica", "slave",
                                         "pubsub"};
    struct kv_text type = call->words[3];

    if (kv_text_is(type, "normal")) {
        begin_list(call, 0);
        return;
    }
    for (unsigned i = 0; i < array_size(others); i++)
        if (kv_text_is(type, others[i])) {
            kv_output_string(call->out, "");
            return;
        }
    kv_output_error(call->out, "ERR Unknown client type '%.*s'",
                    (int)(type.len < 64 ? type.len : 64), type.at);
}

static void client_list(struct kv_call *call)
{
    if (call->nr == 2)
        begin_list(call, 0);
    else if (call->nr == 4 && kv_text_is(call->words[2], "type"))
        list_type(call);
    else if (call->nr > 3 && kv_text_is(call->words[2], "id"))
        list_ids(call);
    else
        kv_command_syntax(call);
}

/* ---- CLIENT */

static void client_id(struct kv_call *call)
{
    kv_output_number(call->out, (int64_t)call->conn->id);
}

static void client_getname(struct kv_call *call)
{
    if (call->conn->name)
        kv_output_string(call->out, call->conn->name);
    else
        kv_output_nil(call->out);
}

static void client_setname(struct kv_call *call)
{
    if (set_name(call, call->words[2]))
        kv_output_ok(call->out);
}

static void client_setinfo(struct kv_call *call)
{
    kv_output_ok(call->out);
}

void kv_client_client(struct kv_call *call)
{
    static const struct kv_sub subs[] = {
        {"client|getname", 2, client_getname},
        {"client|id", 2, client_id},
        {"client|info", 2, client_info},
        {"client|list", -2, client_list},
        {"client|setinfo", 4, client_setinfo},
        {"client|setname", 3, client_setname},
    };

    kv_command_sub(call, subs, array_size(subs), "CLIENT");
}
