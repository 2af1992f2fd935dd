/* SPDX-License-Identifier: MIT */
/* What every program has: arguments, environment, the console, time, an end. */
#include "tests/images/posixtest/posixtest.h"

#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <fnmatch.h>
#include <libgen.h>
#include <regex.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

int run_arguments(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        printf("argument %d: [%s]\n", i, argv[i]);
    check(argv[argc] == NULL, "NULL behind the last argument");
    printf("GREETING: [%s]\n", getenv("GREETING"));
    printf("EMPTY: [%s]\n", getenv("EMPTY"));
    check(getenv("ABSENT") == NULL, "no variable that was not given");
    check(!setenv("ABSENT", "here", 1) && getenv("ABSENT"), "setenv");
    check(!unsetenv("ABSENT") && !getenv("ABSENT"), "unsetenv");
    return 0;
}

/* Read lines until the end of the input. */
int run_lines(int argc, char **argv)
{
    char line[100];

    (void)argc, (void)argv;
    while (fgets(line, sizeof(line), stdin))
        printf("line: [%.*s]\n", (int)strcspn(line, "\n"), line);
    check(feof(stdin) && !ferror(stdin), "the end of the input");
    return 0;
}

static void at_exit(void)
{
    printf("at exit\n");
}

int run_exit(int argc, char **argv)
{
    atexit(at_exit);
    printf("not yet flushed");
    exit(argc > 1 ? atoi(argv[1]) : 0);
}

int run_abort(int argc, char **argv)
{
    (void)argc, (void)argv;
    abort();
}

/* ---- Signals */

static volatile sig_atomic_t handled;

static void on_signal(int sig)
{
    handled = sig;
}

/* Wait for the toolstack's signal. */
static void await_end(void)
{
    struct timespec left = {.tv_sec = 0};
    int err;

    signal(SIGTERM, on_signal);
    printf("waiting for the end\n");
    err = nanosleep(&(struct timespec){.tv_sec = 100}, &left);
    check(err == -1 && errno == EINTR, "SIGTERM ends a sleep");
    check(handled == SIGTERM, "its handler was called");
    check(left.tv_sec > 0 && left.tv_sec < 100, "what is left of the sleep");
}

static void test_sigaction(void)
{
    struct sigaction action = {.sa_handler = on_signal}, old;

    sigaddset(&action.sa_mask, SIGUSR2);
    check(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
    for (int i = 0; i < 2; i++) {
        handled = 0;
        check(raise(SIGUSR1) == 0 && handled == SIGUSR1, "its handler stays");
    }
    check(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == on_signal &&
              old.sa_mask == action.sa_mask,
          "what sigaction has set");
    signal(SIGUSR1, SIG_IGN);
    check(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == SIG_IGN,
          "what signal has set");
    check(sigaction(SIGKILL, &action, NULL) == -1 && errno == EINVAL,
          "a signal that cannot be caught");
    action.sa_flags = ~SA_SIGINFO;
    check(sigaction(SIGUSR1, &action, NULL) == -1 && errno == EINVAL,
          "a flag that is not provided");
}

static int depth, deepest, nr_handled;

static void nest(int sig)
{
    if (++depth > deepest)
        deepest = depth;
    if (++nr_handled < 3)
        raise(sig);
    depth--;
}

static siginfo_t info_seen;
static char *ran_at;

static void on_info(int sig, siginfo_t *info, void *context)
{
    (void)context;
    handled = sig;
    info_seen = *info;
    ran_at = __builtin_frame_address(0);
}

static void test_masks(void)
{
    sigset_t set, old;

    sigemptyset(&set);
    check(sigaddset(&set, NSIG) == -1 && errno == EINVAL, "no such signal");
    sigaddset(&set, SIGUSR1);
    handled = 0;
    signal(SIGUSR1, on_signal);
    check(sigprocmask(SIG_BLOCK, &set, NULL) == 0, "sigprocmask");
    raise(SIGUSR1);
    check(!handled, "a blocked signal is not handled");
    check(sigpending(&old) == 0 && sigismember(&old, SIGUSR1) == 1 &&
              sigismember(&old, SIGUSR2) == 0,
          "sigpending");
    check(sigprocmask(SIG_UNBLOCK, &set, &old) == 0 && handled == SIGUSR1 &&
              sigismember(&old, SIGUSR1),
          "it is when it is unblocked");
}

static void test_handlers(void)
{
    static char own_stack[SIGSTKSZ];
    stack_t stack = {.ss_sp = own_stack, .ss_size = sizeof(own_stack)};
    struct sigaction action = {.sa_handler = nest};

    check(sigaction(SIGUSR1, &action, NULL) == 0 && raise(SIGUSR1) == 0,
          "a handler that raises its own signal");
    check(deepest == 1 && nr_handled == 3, "it does not nest");
    action.sa_sigaction = on_info;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    check(sigaltstack(&stack, NULL) == 0 &&
              sigaction(SIGRTMIN + 1, &action, NULL) == 0 &&
              raise(SIGRTMIN + 1) == 0,
          "sigaltstack");
    check(handled == SIGRTMIN + 1 && info_seen.si_signo == handled &&
              info_seen.si_pid == getpid(),
          "SA_SIGINFO");
    check(ran_at >= own_stack && ran_at < own_stack + sizeof(own_stack),
          "SA_ONSTACK");
}

static void test_pipe(void)
{
    char text[6] = "";
    int ends[2];

    check(pipe(ends) == 0 && write(ends[1], "hello", 5) == 5 &&
              read(ends[0], text, 5) == 5 && !strcmp(text, "hello"),
          "pipe");
    check(fcntl(ends[0], F_GETFD) == 0 &&
              fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 &&
              fcntl(ends[0], F_GETFD) == FD_CLOEXEC,
          "FD_CLOEXEC reads back");
    close(ends[0]);
    check(write(ends[1], "x", 1) == -1 && errno == EPIPE, "nobody reads it");
    close(ends[1]);
}

static void test_users(void)
{
    struct passwd entry, *found;
    char room[100];

    check(getuid() == 0 && geteuid() == 0 && getgid() == 0 && getegid() == 0,
          "who we are");
    check(getpwnam_r("root", &entry, room, sizeof(room), &found) == 0 &&
              found == &entry && entry.pw_uid == 0,
          "getpwnam_r");
    check(getpwnam_r("nobody", &entry, room, sizeof(room), &found) == 0 &&
              !found,
          "somebody who is not there");
    check(setuid(0) == 0 && setuid(1) == -1 && errno == EINVAL, "setuid");
}

int run_signals(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "default")) {
        printf("waiting for the end\n");
        sleep(1000);
    }
    signal(SIGUSR1, on_signal);
    check(raise(SIGUSR1) == 0 && handled == SIGUSR1, "raise");
    handled = 0;
    check(raise(SIGCHLD) == 0, "SIGCHLD is ignored by default");
    check(signal(SIGKILL, on_signal) == SIG_ERR && errno == EINVAL,
          "SIGKILL has no handler");
    check(kill(getpid(), SIGUSR1) == 0 && handled == SIGUSR1, "kill oneself");
    check(kill(getpid(), 0) == 0, "is one there");
    check(kill(77, SIGTERM) == -1 && errno == ESRCH, "kill somebody else");
    signal(SIGUSR1, SIG_IGN);
    check(raise(SIGUSR1) == 0, "an ignored signal");
    test_sigaction();
    test_masks();
    test_pipe();
    test_users();
    test_handlers();
    await_end();
    if (argc > 1 && !strcmp(argv[1], "own")) {
        signal(SIGTERM, SIG_DFL);
        raise(SIGTERM);
    }
    return 0;
}

/* ---- Time */

static double seconds(clockid_t clock)
{
    struct timespec time = {.tv_sec = 0};

    check(clock_gettime(clock, &time) == 0, "clock_gettime");
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void test_time(void)
{
    double mono = seconds(CLOCK_MONOTONIC), real = seconds(CLOCK_REALTIME);
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    struct timeval now;
    struct timespec spec;
    struct tms tms;
    struct tm *tm;
    time_t t = 86400 * 365;

    check(usleep(50000) == 0, "usleep");
    mono = seconds(CLOCK_MONOTONIC) - mono;
    check(mono >= 0.05 && mono < 5, "CLOCK_MONOTONIC during it");
    real = seconds(CLOCK_REALTIME) - real;
    check(real >= 0.05 && real < 5, "CLOCK_REALTIME during it");
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    check(cpu > 0 && cpu < mono, "CPU time during it is less");
    check(clock_gettime(99, &spec) == -1 && errno == EINVAL, "no such clock");
    gettimeofday(&now, NULL);
    check(llabs((long long)now.tv_sec - (long long)time(NULL)) <= 1, "time");
    check(times(&tms) != (clock_t)-1 && tms.tms_utime > 0, "times");
    check(CLOCKS_PER_SEC == 1000000 && sysconf(_SC_CLK_TCK) == CLOCKS_PER_SEC,
          "CLOCKS_PER_SEC");
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - (double)clock() / CLOCKS_PER_SEC;
    check(cpu > -0.1 && cpu < 0.1, "clock");
    tm = localtime(&t);
    check(tm && tm->tm_year == 71 && tm->tm_hour == 0, "local time is UTC");
    check(sleep(0) == 0, "sleep");
    check(nanosleep(&(struct timespec){.tv_nsec = -1}, NULL) == -1 &&
              errno == EINVAL,
          "no time to sleep");
}

/* ---- stdio and descriptors */

static void test_stdio(void)
{
    char text[64];
    int n, m;
    double d;

    snprintf(text, sizeof(text), "%d %s %5.2f %g %lld", 7, "x", 3.14159, 1e100,
             1234567890123LL);
    check(!strcmp(text, "7 x  3.14 1e+100 1234567890123"), "snprintf");
    check(sscanf("12 abc 2.5 9", "%d %*s %lf %d", &n, &d, &m) == 3 && n == 12 &&
              d == 2.5 && m == 9,
          "sscanf");
    check(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO), "isatty");
    check(!isatty(99) && errno == EBADF, "isatty of nothing");
}

static void test_descriptors(void)
{
    struct iovec pieces[] = {{"# one, ", 7}, {"two\n", 4}};
    struct stat st;
    int copy = dup(STDOUT_FILENO);

    check(copy == 3, "dup");
    check(write(copy, "# a copy\n", 9) == 9, "write to a copy");
    check(dup2(copy, 10) == 10 && close(copy) == 0, "dup2");
    check(writev(10, pieces, 2) == 11, "writev");
    check(fcntl(10, F_GETFL) == O_RDWR, "fcntl F_GETFL");
    check(close(10) == 0 && close(10) == -1 && errno == EBADF, "close");
    check(fstat(STDIN_FILENO, &st) == 0 && S_ISCHR(st.st_mode), "fstat");
    check(lseek(STDOUT_FILENO, 0, SEEK_SET) == -1 && errno == ESPIPE, "lseek");
    check(read(77, &st, 1) == -1 && errno == EBADF, "read of nothing");
}

static void test_floats(void)
{
    char text[80];

    snprintf(text, sizeof(text), "%.14g %.17g %a %F", 0.1, 0.1, 0.1, 1.5);
    check(
        !strcmp(text, "0.1 0.10000000000000001 0x1.999999999999ap-4 1.500000"),
        "snprintf of floats");
    check(strtod("0x1.999999999999ap-4", NULL) == 0.1 &&
              strtod("0.10000000000000001", NULL) == 0.1,
          "strtod");
}

/* What libc/musl/ provides; third_party/check-libc.c tests more of each. */
static void test_library(void)
{
    char text[80], path[] = "/usr/lib/";
    wchar_t wide[20];
    regex_t regex;
    regmatch_t match;
    volatile double one = 1;

    snprintf(text, sizeof(text), "%.12g %#o %ls", 1000000000005.0, 0, L"wide");
    check(!strcmp(text, "1e+12 0 wide"), "snprintf");
    snprintf(text, sizeof(text), "%2$s %1$s %3$Lg", "a", "b", 1e4000L);
    check(!strcmp(text, "b a 1e+4000"), "snprintf by number");
    check(swprintf(wide, 20, L"%d%ls", 12, L"x") == 3 && !wcscmp(wide, L"12x"),
          "swprintf");
    check(!strcmp(basename(path), "lib") && !strcmp(dirname(path), "/usr"),
          "basename, dirname");
    check(!fnmatch("*.[ch]", "a.c", 0) && fnmatch("*.[ch]", "a.o", 0),
          "fnmatch");
    check(!regcomp(&regex, "b(c|d)+", REG_EXTENDED) &&
              !regexec(&regex, "abcdc", 1, &match, 0) && match.rm_so == 1 &&
              match.rm_eo == 5,
          "regcomp, regexec");
    regfree(&regex);
    fesetround(FE_UPWARD);
    check(one / 3 > 0.33333333333333334, "fesetround");
    fesetround(FE_TONEAREST);
    setenv("GONE", "1", 1);
    check(!clearenv() && !getenv("GONE"), "clearenv");
    check(!setenv("BACK", "2", 1) && !strcmp(getenv("BACK"), "2"),
          "setenv after it");
}

/* There is no other process. */
static void test_commands(void)
{
    check(system(NULL) == 0, "there is no shell");
    check(system("true") == -1 && errno == ENOSYS, "system");
    check(!popen("true", "r") && errno == ENOSYS, "popen");
    flockfile(stdout);
    check(ftrylockfile(stdout) == 0, "ftrylockfile");
    funlockfile(stdout);
}

int run_basics(int argc, char **argv)
{
    (void)argc, (void)argv;
    test_floats();
    test_library();
    test_commands();
    test_stdio();
    test_descriptors();
    test_time();
    return 0;
}
