/* SPDX-License-Identifier: MIT */
/* Error numbers, descriptors, waiting, and the console as a terminal. */
// sources: libc/errors.c posix/fd.c posix/tty.c posix/wait.c
// sources: console/console.c kernel/fiber.c kernel/fiber_switch.c
// sources: kernel/log.c kernel/loop.c kernel/page.c xen/evtchn.c
// sources: tests/fake/fiber.c tests/fake/hv.c tests/fake/xenconsoled.c
// sources: tests/unit/posix_world.c
#include "tests/unit/posix_world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "fs/fs.h"
#include "libc/errors.h"
#include "posix/fd.h"
#include "posix/tty.h"
#include "tests/fake/xenconsoled.h"

static struct loop loop;
static struct pages pages;
static struct console console;
static struct xenconsoled *xc;

static int setup(void **state)
{
    int error = fake_setup(state);

    loop_init(&loop);
    pages_init(&pages);
    xc = xenconsoled_start();
    console_init(&console);
    console_start(&console, &loop);
    program_init(&loop, &pages);
    return error;
}

static int teardown(void **state)
{
    fd_close_all();
    assert_int_equal(pages.nr_used, 0);
    xenconsoled_stop(xc);
    return fake_teardown(state);
}

/* ---- Error numbers */

#define PAIR(name)       \
    {                    \
        XEN_##name, name \
    }

static void every_error_has_its_number(void **state)
{
    static const int pairs[][2] = {
        PAIR(EPERM),         PAIR(ENOENT),          PAIR(ESRCH),
        PAIR(EIO),           PAIR(ENXIO),           PAIR(E2BIG),
        PAIR(ENOEXEC),       PAIR(EBADF),           PAIR(ECHILD),
        PAIR(EAGAIN),        PAIR(EWOULDBLOCK),     PAIR(ENOMEM),
        PAIR(EACCES),        PAIR(EFAULT),          PAIR(EBUSY),
        PAIR(EEXIST),        PAIR(EXDEV),           PAIR(ENODEV),
        PAIR(ENOTDIR),       PAIR(EISDIR),          PAIR(EINVAL),
        PAIR(ENFILE),        PAIR(EMFILE),          PAIR(ENOSPC),
        PAIR(EROFS),         PAIR(EMLINK),          PAIR(EDOM),
        PAIR(ERANGE),        PAIR(EDEADLK),         PAIR(ENAMETOOLONG),
        PAIR(ENOLCK),        PAIR(ENOSYS),          PAIR(ENOTEMPTY),
        PAIR(ENODATA),       PAIR(ETIME),           PAIR(EBADMSG),
        PAIR(EOVERFLOW),     PAIR(EILSEQ),          PAIR(ENOTSOCK),
        PAIR(EMSGSIZE),      PAIR(EOPNOTSUPP),      PAIR(EADDRINUSE),
        PAIR(EADDRNOTAVAIL), PAIR(ENOBUFS),         PAIR(EISCONN),
        PAIR(ENOTCONN),      PAIR(ETIMEDOUT),       PAIR(ECONNREFUSED),
        {XEN_EFBIG, EFBIG},  {XEN_ELOOP, ELOOP},    PAIR(EINTR),
        PAIR(ENOTTY),        PAIR(ESPIPE),          PAIR(EPIPE),
        PAIR(EPROTO),        PAIR(EDESTADDRREQ),    PAIR(EPROTOTYPE),
        PAIR(ENOPROTOOPT),   PAIR(EPROTONOSUPPORT), PAIR(EAFNOSUPPORT),
        PAIR(ENETDOWN),      PAIR(ENETUNREACH),     PAIR(ECONNABORTED),
        PAIR(ECONNRESET),    PAIR(EHOSTUNREACH),    PAIR(EALREADY),
        PAIR(EINPROGRESS),   PAIR(ECANCELED),
    };

    (void)state;
    for (unsigned i = 0; i < array_size(pairs); i++)
        assert_int_equal(error_of_xen(-pairs[i][0]), -pairs[i][1]);
}

static void an_unknown_error_is_EIO(void **state)
{
    (void)state;
    assert_int_equal(error_of_xen(-41), -EIO); /* within the table */
    assert_int_equal(error_of_xen(-112), -EIO);
    assert_int_equal(error_of_xen(-4095), -EIO);
    assert_int_equal(error_of_xen(INT32_MIN), -EIO);
    assert_int_equal(error_of_xen(0), 0);
    assert_int_equal(error_of_xen(7), 7);
}

static void a_negative_result_becomes_errno(void **state)
{
    (void)state;
    errno = 0;
    assert_int_equal(error_result(5), 5);
    assert_int_equal(errno, 0);
    assert_int_equal(error_result(-EPIPE), -1);
    assert_int_equal(errno, EPIPE);
}

/* ---- A kind of descriptor that does what the test says */

static struct {
    struct fd fd;
    char written[256];
    size_t nr_written;
    size_t room, waiting; /* what a write takes and a read gives, at once */
    unsigned reads, closed;
} thing;

static ssize_t thing_read(struct fd *fd, void *to, size_t bytes)
{
    assert_ptr_equal(fd, &thing.fd);
    thing.reads++;
    if (!thing.waiting)
        return -EAGAIN;
    if (bytes > thing.waiting)
        bytes = thing.waiting;
    memset(to, 'x', bytes);
    thing.waiting -= bytes;
    return (ssize_t)bytes;
}

static ssize_t thing_write(struct fd *fd, const void *from, size_t bytes)
{
    assert_ptr_equal(fd, &thing.fd);
    if (!thing.room)
        return -EAGAIN;
    if (bytes > thing.room)
        bytes = thing.room;
    memcpy(thing.written + thing.nr_written, from, bytes);
    thing.nr_written += bytes;
    thing.room -= bytes;
    return (ssize_t)bytes;
}

static int thing_close(struct fd *fd)
{
    assert_ptr_equal(fd, &thing.fd);
    thing.closed++;
    return 0;
}

static int thing_waiting(struct fd *fd, int *bytes)
{
    (void)fd;
    *bytes = (int)thing.waiting;
    return 0;
}

static const struct fd_ops thing_ops = {
    .read = thing_read,
    .write = thing_write,
    .waiting = thing_waiting,
    .close = thing_close,
};

static int thing_open(int flags)
{
    memset(&thing, 0, sizeof(thing));
    thing.fd = (struct fd){.ops = &thing_ops, .flags = flags};
    return fd_add(&thing.fd, 0);
}

static void more_waiting(void *arg)
{
    thing.waiting = (size_t)arg;
    wait_wake();
    assert_true(fake_evtchn_notify(FAKE_CONSOLE_PORT));
}

static void more_room(void *arg)
{
    thing.room = (size_t)arg;
    wait_wake();
    assert_true(fake_evtchn_notify(FAKE_CONSOLE_PORT));
}

/* ---- The table */

static void numbers_are_the_lowest_free(void **state)
{
    (void)state;
    assert_int_equal(thing_open(O_RDWR), 0);
    assert_int_equal(fd_dup(0, 0), 1);
    assert_int_equal(fd_dup(1, 5), 5);
    assert_int_equal(fd_dup2(5, 2), 2);
    assert_int_equal(fd_dup2(2, 2), 2);
    assert_int_equal(fd_fcntl(0, F_DUPFD, 3), 3);
    assert_int_equal(thing.fd.refs, 5);
    assert_int_equal(fd_close(1), 0);
    assert_int_equal(fd_close(1), -EBADF);
    assert_int_equal(fd_dup(0, 0), 1);
    assert_int_equal(thing.closed, 0);
    fd_close_all();
    assert_int_equal(thing.closed, 1);
}

static void numbers_out_of_range_are_refused(void **state)
{
    char byte;

    (void)state;
    assert_int_equal(thing_open(O_RDWR), 0);
    assert_int_equal(fd_close(-1), -EBADF);
    assert_int_equal(fd_close(FD_MAX), -EBADF);
    assert_int_equal(fd_read(7, &byte, 1), -EBADF);
    assert_int_equal(fd_dup(0, -1), -EINVAL);
    assert_int_equal(fd_dup(0, FD_MAX), -EINVAL);
    assert_int_equal(fd_dup2(0, FD_MAX), -EBADF);
    assert_int_equal(fd_dup2(3, 4), -EBADF);
    while (fd_dup(0, 0) >= 0)
        ;
    assert_int_equal(thing.fd.refs, FD_MAX);
    assert_int_equal(fd_dup(0, 0), -EMFILE);
}

static void dup2_closes_what_was_there(void **state)
{
    struct fd other = {.ops = &thing_ops, .flags = O_RDWR};

    (void)state;
    assert_int_equal(thing_open(O_RDWR), 0);
    assert_int_equal(fd_add(&other, 0), 1);
    assert_int_equal(fd_dup2(1, 0), 0);
    assert_int_equal(thing.closed, 1);
    assert_ptr_equal(fd_get(0), &other);
    assert_int_equal(fd_close(0), 0);
    other.ops = &thing_ops;
    assert_int_equal(fd_dup2(1, 9), 9);
    fd_close(9);
    fd_get(1)->refs++; /* it is on this stack: let nobody close it */
    assert_int_equal(fd_close(1), 0);
}

static void what_is_not_there_is_an_error(void **state)
{
    char byte;
    struct stat st;

    (void)state;
    assert_int_equal(thing_open(O_WRONLY), 0);
    assert_int_equal(fd_read(0, &byte, 1), -EBADF);
    assert_int_equal(fd_seek(0, 0, SEEK_SET), -ESPIPE);
    assert_int_equal(fd_pwrite(0, "x", 1, 0), -ESPIPE);
    assert_int_equal(fd_pwrite(0, "x", 1, -1), -EINVAL);
    assert_int_equal(fd_pread(0, &byte, 1, 0), -EBADF);
    assert_int_equal(fd_sync(0), -EINVAL);
    assert_int_equal(fd_truncate(0, 0), -EINVAL);
    assert_int_equal(fd_stat(0, &st), 0);
    assert_int_equal(st.st_mode, 0);
    thing.fd.flags = O_RDONLY;
    assert_int_equal(fd_write(0, "x", 1), -EBADF);
}

static void flags_can_be_changed(void **state)
{
    int on = 1, n = 0;
    struct flock lock = {.l_type = F_WRLCK};

    (void)state;
    assert_int_equal(thing_open(O_RDWR), 0);
    assert_int_equal(fd_fcntl(0, F_SETFL, O_NONBLOCK | O_WRONLY), 0);
    assert_int_equal(fd_fcntl(0, F_GETFL, 0), O_RDWR | O_NONBLOCK);
    assert_int_equal(fd_fcntl(0, F_SETFL, O_APPEND), 0);
    assert_int_equal(fd_fcntl(0, F_GETFL, 0), O_RDWR | O_APPEND);
    assert_int_equal(fd_ioctl(0, FIONBIO, &on), 0);
    assert_int_equal(fd_fcntl(0, F_GETFL, 0), O_RDWR | O_APPEND | O_NONBLOCK);
    assert_int_equal(fd_fcntl(0, F_GETLK, (long)&lock), 0);
    assert_int_equal(lock.l_type, F_UNLCK);
    assert_int_equal(fd_fcntl(0, 999, 0), -EINVAL);
    thing.waiting = 7;
    assert_int_equal(fd_ioctl(0, FIONREAD, &n), 0);
    assert_int_equal(n, 7);
    assert_int_equal(fd_ioctl(0, 1, &n), -ENOTTY);
}

static void close_on_exec_reads_back(void **state)
{
    (void)state;
    assert_int_equal(thing_open(O_RDWR), 0);
    assert_int_equal(fd_fcntl(0, F_GETFD, 0), 0);
    assert_int_equal(fd_fcntl(0, F_SETFD, FD_CLOEXEC), 0);
    assert_int_equal(fd_fcntl(0, F_GETFD, 0), FD_CLOEXEC);
    assert_int_equal(fd_fcntl(0, F_DUPFD, 70), 70);
    assert_int_equal(fd_fcntl(70, F_GETFD, 0), 0); /* each number's own */
    assert_int_equal(fd_fcntl(0, F_DUPFD_CLOEXEC, 70), 71);
    assert_int_equal(fd_fcntl(71, F_GETFD, 0), FD_CLOEXEC);
    assert_int_equal(fd_dup2(70, 71), 71);
    assert_int_equal(fd_fcntl(71, F_GETFD, 0), 0);
    assert_int_equal(fd_fcntl(0, F_SETFD, 0), 0);
    assert_int_equal(fd_fcntl(0, F_GETFD, 0), 0);
}

/* ---- Waiting */

static ssize_t result;
static uint64_t took_ns;

static void read_ten(void)
{
    char bytes[10];
    uint64_t from = hv_now_ns();

    result = fd_read(0, bytes, sizeof(bytes));
    took_ns = hv_now_ns() - from;
}

static void write_ten(void)
{
    result = fd_write(0, "0123456789", 10);
}

static void a_read_waits(void **state)
{
    (void)state;
    thing_open(O_RDWR);
    fake_at(fake_now() + 5 * NS_PER_S, more_waiting, (void *)3);
    program_run(read_ten);
    assert_int_equal(result, 3);
    assert_in_range(took_ns, 5 * NS_PER_S, 5 * NS_PER_S + NS_PER_MS);
    assert_true(thing.reads <= 3);
}

static void a_read_waits_no_longer_than_it_may(void **state)
{
    (void)state;
    thing_open(O_RDWR);
    thing.fd.read_limit_ns = 2 * NS_PER_S;
    fake_at(fake_now() + 5 * NS_PER_S, more_waiting, (void *)3);
    program_run(read_ten);
    assert_int_equal(result, -EAGAIN);
    assert_int_equal(took_ns, 2 * NS_PER_S);
}

static void set_waiting(struct task *task)
{
    (void)task;
    thing.waiting = 2;
}

static void a_read_that_may_not_wait_lets_the_loop_turn(void **state)
{
    struct task task = {.fn = NULL};

    (void)state;
    thing_open(O_RDWR | O_NONBLOCK);
    program_run(read_ten);
    assert_int_equal(result, -EAGAIN);
    assert_int_equal(took_ns, 0);
    assert_int_equal(thing.reads, 2);
    program_begin(read_ten);
    task_start(&loop, &task, set_waiting); /* behind the fiber's */
    fake_run_until(&loop, program_ended, NS_PER_S);
    assert_int_equal(result, 2);
}

static void a_write_waits_until_all_is_taken(void **state)
{
    (void)state;
    thing_open(O_RDWR);
    thing.room = 4;
    fake_at(fake_now() + 1 * NS_PER_S, more_room, (void *)5);
    fake_at(fake_now() + 2 * NS_PER_S, more_room, (void *)5);
    program_run(write_ten);
    assert_int_equal(result, 10);
    assert_memory_equal(thing.written, "0123456789", 10);
}

static void a_write_that_may_not_wait_says_how_much(void **state)
{
    (void)state;
    thing_open(O_RDWR | O_NONBLOCK);
    thing.room = 4;
    program_run(write_ten);
    assert_int_equal(result, 4);
    program_run(write_ten);
    assert_int_equal(result, -EAGAIN);
}

static void write_pieces(void)
{
    const struct iovec pieces[] = {{"abc", 3}, {"", 0}, {"defg", 4}};

    result = fd_writev(0, pieces, 3);
}

static void read_pieces(void)
{
    char first[3], second[4];
    const struct iovec pieces[] = {{first, 3}, {second, 4}};

    result = fd_readv(0, pieces, 2);
}

static void pieces_follow_each_other(void **state)
{
    (void)state;
    thing_open(O_RDWR | O_NONBLOCK);
    thing.room = 100;
    program_run(write_pieces);
    assert_int_equal(result, 7);
    assert_memory_equal(thing.written, "abcdefg", 7);
    thing.waiting = 5;
    program_run(read_pieces);
    assert_int_equal(result, 5);
    assert_int_equal(fd_writev(0, NULL, -1), -EINVAL);
    assert_int_equal(fd_writev(0, NULL, FD_PIECES_MAX + 1), -EINVAL);
}

static void send_signal(void *arg)
{
    (void)arg;
    wait_signal(SIGTERM);
    assert_true(fake_evtchn_notify(FAKE_CONSOLE_PORT));
}

static void a_signal_ends_a_wait(void **state)
{
    (void)state;
    thing_open(O_RDWR);
    fake_at(fake_now() + NS_PER_S, send_signal, NULL);
    program_run(read_ten);
    assert_int_equal(result, -EINTR);
    assert_int_equal(program_signals, 1u << SIGTERM);
}

static int blocked_result;

static void wait_while_blocked(void)
{
    assert_int_equal(wait_block(1u << SIGTERM), 0);
    blocked_result = wait_until(hv_now_ns() + 3 * NS_PER_S);
    assert_int_equal(program_signals, 0);
    assert_int_equal(wait_block(0), 1u << SIGTERM);
    result = wait_until(WAIT_FOR_EVER);
}

static void a_blocked_signal_waits(void **state)
{
    (void)state;
    fake_at(fake_now() + NS_PER_S, send_signal, NULL);
    program_run(wait_while_blocked);
    assert_int_equal(blocked_result, -ETIMEDOUT);
    assert_int_equal(result, -EINTR);
    assert_int_equal(program_signals, 1u << SIGTERM);
}

/* Another fiber of the program's, which waits for a time while main reads. */
static struct {
    struct fiber fiber;
    struct waiter waiter;
    int result, seen_errno;
    bool ended;
} other;

#define OTHER_WAITS_NS (3 * NS_PER_S)

static void run_other(struct fiber *fiber)
{
    uint64_t due_ns = hv_now_ns() + OTHER_WAITS_NS;

    (void)fiber;
    errno = ENOTEMPTY;
    do
        other.result = wait_until(due_ns);
    while (!other.result);
    other.seen_errno = errno;
    wait_remove(&other.waiter);
    other.ended = true;
}

static void start_other(void)
{
    other.ended = false;
    wait_add(&other.waiter, &other.fiber);
    assert_int_equal(fiber_start(&other.fiber, &loop, &pages, 64, run_other),
                     0);
}

static int main_errno;

static void read_beside_another(void)
{
    errno = EDOM;
    start_other();
    read_ten();
    main_errno = errno;
}

static void two_fibers_wait_for_different_things(void **state)
{
    (void)state;
    thing_open(O_RDWR);
    errno = ERANGE;
    fake_at(fake_now() + 2 * OTHER_WAITS_NS, more_waiting, (void *)3);
    program_begin(read_beside_another);
    fake_run_for(&loop, OTHER_WAITS_NS / 2);
    assert_false(other.ended || program_ended);
    assert_int_equal(errno, ERANGE);
    fake_run_until(&loop, other.ended, OTHER_WAITS_NS);
    assert_int_equal(other.result, -XEN_ETIMEDOUT);
    assert_int_equal(other.seen_errno, ENOTEMPTY);
    assert_false(program_ended);
    fake_run_until(&loop, program_ended, 2 * OTHER_WAITS_NS);
    assert_int_equal(result, 3);
    assert_int_equal(main_errno, EDOM);
    assert_int_equal(errno, ERANGE);
}

static void a_signal_ends_only_mains_wait(void **state)
{
    (void)state;
    thing_open(O_RDWR);
    program_begin(read_beside_another);
    fake_run_for(&loop, NS_PER_S);
    wait_signal(SIGTERM);
    fake_run_until(&loop, program_ended, NS_PER_S);
    assert_int_equal(result, -XEN_EINTR);
    assert_false(other.ended);
    fake_run_until(&loop, other.ended, OTHER_WAITS_NS);
    assert_int_equal(other.result, -XEN_ETIMEDOUT);
}

static void outside_the_program_nothing_waits(void **state)
{
    (void)state;
    thing_open(O_RDWR);
    read_ten();
    assert_int_equal(result, -EAGAIN);
    thing.fd.flags |= O_NONBLOCK;
    read_ten();
    assert_int_equal(result, -EAGAIN);
}

/* ---- The console */

static char line[TTY_LINE_MAX + 1];

static void read_line(void)
{
    memset(line, 0, sizeof(line));
    result = fd_read(0, line, TTY_LINE_MAX);
}

static void type(const char *text)
{
    xenconsoled_type(xc, text, strlen(text));
}

static void expect_line(const char *typed, const char *expected)
{
    type(typed);
    program_run(read_line);
    assert_int_equal(result, strlen(expected));
    assert_string_equal(line, expected);
}

static void a_line_is_edited_and_echoed(void **state)
{
    (void)state;
    tty_init(&console);
    expect_line("hello\r", "hello\n");
    expect_line("hexy\b\x7fllo\n", "hello\n");
    expect_line("h\xc3\xa4\x7f\x7f\x7fx\r", "x\n");
    expect_line("nothing\x15some\r", "some\n");
    fake_run_for(&loop, NS_PER_MS);
    assert_string_equal(xenconsoled_output(xc),
                        "hello\r\nhexy\b \b\b \bllo\r\nh\xc3\xa4\b \b\b \bx\r\n"
                        "nothing\b \b\b \b\b \b\b \b\b \b\b \b\b \bsome\r\n");
}

static void ctrl_d_ends_a_line_or_the_file(void **state)
{
    (void)state;
    tty_init(&console);
    expect_line("half\4", "half");
    expect_line("\4", "");
    expect_line("more\r", "more\n");
}

static void ctrl_c_is_a_signal(void **state)
{
    (void)state;
    tty_init(&console);
    type("gone\3");
    program_run(read_line);
    assert_int_equal(result, -EINTR);
    assert_int_equal(program_signals, 1u << SIGINT);
    expect_line("next\r", "next\n");
}

static void read_three(void)
{
    memset(line, 0, sizeof(line));
    result = fd_read(0, line, 3);
}

static void a_line_is_read_in_parts(void **state)
{
    int bytes;

    (void)state;
    tty_init(&console);
    type("12345\r");
    program_run(read_three);
    assert_string_equal(line, "123");
    assert_int_equal(fd_ioctl(0, FIONREAD, &bytes), 0);
    assert_int_equal(bytes, 3);
    program_run(read_three);
    assert_string_equal(line, "45\n");
}

static void a_long_paste_loses_nothing(void **state)
{
    char text[3000];
    size_t got = 0;

    (void)state;
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\r';
    tty_init(&console);
    xenconsoled_type(xc, text, sizeof(text));
    while (got < sizeof(text)) {
        program_run(read_line);
        assert_true(result > 0);
        got += (size_t)result;
    }
    assert_int_equal(got, sizeof(text));
    assert_int_equal(line[result - 1], '\n');
}

static void nothing_is_read_before_the_program_does(void **state)
{
    (void)state;
    tty_init(&console);
    type("early\3");
    fake_run_for(&loop, NS_PER_S);
    assert_int_equal(program_signals, 0);
    assert_string_equal(xenconsoled_output(xc), "");
}

static char flood[20000];

static void write_flood(void)
{
    uint64_t from = hv_now_ns();

    result = fd_write(1, flood, sizeof(flood));
    took_ns = hv_now_ns() - from;
}

static void output_waits_for_its_reader(void **state)
{
    (void)state;
    tty_init(&console);
    memset(flood, '\n', sizeof(flood));
    xenconsoled_be_slow(xc, 100, NS_PER_MS);
    program_run(write_flood);
    assert_int_equal(result, sizeof(flood));
    fake_run_for(&loop, NS_PER_S);
    assert_int_equal(xenconsoled_output_bytes(xc), 2 * sizeof(flood));
}

static void output_that_nobody_reads_is_dropped(void **state)
{
    (void)state;
    tty_init(&console);
    xenconsoled_be_deaf(xc, true);
    program_run(write_flood);
    assert_int_equal(result, sizeof(flood));
    assert_int_equal(took_ns, TTY_STUCK_NS);
    program_run(write_flood); /* and again, without waiting */
    assert_int_equal(took_ns, 0);
    assert_true(console.dropped_bytes > sizeof(flood));
    xenconsoled_be_deaf(xc, false);
    fake_run_for(&loop, NS_PER_S);
    assert_non_null(strstr(xenconsoled_output(xc), "bytes dropped]"));
    assert_true(console_room(&console) > 0);
    program_run(write_flood); /* somebody is there again */
    fake_run_for(&loop, NS_PER_S);
    assert_int_equal(console.dropped_bytes, console.dropped_reported);
}

static void the_console_is_a_terminal(void **state)
{
    struct stat st;

    (void)state;
    tty_init(&console);
    for (int nr = 0; nr < 3; nr++) {
        assert_int_equal(fd_stat(nr, &st), 0);
        assert_true(S_ISCHR(st.st_mode));
    }
    assert_int_equal(fd_get(0)->ops->poll(fd_get(0)), POLLOUT | POLLWRNORM);
    type("x\r");
    fake_run_for(&loop, NS_PER_MS);
    assert_true(fd_get(0)->ops->poll(fd_get(0)) & POLLIN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_error_has_its_number),
        TEST(an_unknown_error_is_EIO),
        TEST(a_negative_result_becomes_errno),
        TEST(numbers_are_the_lowest_free),
        TEST(numbers_out_of_range_are_refused),
        TEST(dup2_closes_what_was_there),
        TEST(what_is_not_there_is_an_error),
        TEST(flags_can_be_changed),
        TEST(close_on_exec_reads_back),
        TEST(a_read_waits),
        TEST(a_read_waits_no_longer_than_it_may),
        TEST(a_read_that_may_not_wait_lets_the_loop_turn),
        TEST(a_write_waits_until_all_is_taken),
        TEST(a_write_that_may_not_wait_says_how_much),
        TEST(pieces_follow_each_other),
        TEST(a_signal_ends_a_wait),
        TEST(a_blocked_signal_waits),
        TEST(outside_the_program_nothing_waits),
        TEST(two_fibers_wait_for_different_things),
        TEST(a_signal_ends_only_mains_wait),
        TEST(a_line_is_edited_and_echoed),
        TEST(ctrl_d_ends_a_line_or_the_file),
        TEST(ctrl_c_is_a_signal),
        TEST(a_line_is_read_in_parts),
        TEST(a_long_paste_loses_nothing),
        TEST(nothing_is_read_before_the_program_does),
        TEST(output_waits_for_its_reader),
        TEST(output_that_nobody_reads_is_dropped),
        TEST(the_console_is_a_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
