/* SPDX-License-Identifier: MIT */
/* What programs of others ask for beside: who they are, names of hosts and
 * services, patterns, limits, alarms, devices; and what there is none of. */
#include "tests/images/posixtest/posixtest.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_users(void)
{
    struct passwd *root = getpwnam("root");

    check(getuid() == 0 && getegid() == 0, "the program is root");
    check(root && root->pw_uid == 0 && getpwuid(0) == root, "root is known");
    check(!getpwnam("www-data") && !getgrnam("www-data"), "nobody else is");
    check(setuid(0) == 0 && setgid(0) == 0, "it may become root");
    check(setuid(33) == -1 && errno == EINVAL, "and nobody else");
    check(umask(077) == 022 && umask(022) == 077, "umask keeps a number");
}

static void test_processes(void)
{
    char *none[] = {NULL};

    check(fork() == -1 && errno == ENOSYS, "fork is ENOSYS");
    check(execv("/bin/sh", none) == -1 && errno == ENOSYS, "exec is ENOSYS");
    check(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "no child");
    check(getppid() == 0 && setsid() == getpid(), "nobody's child");
}

static void test_hosts(void)
{
    static const unsigned char bytes[] = {192, 0, 2, 7};
    struct hostent *host = gethostbyname("192.0.2.7");
    struct servent *service = getservbyname("http", "tcp");

    check(host && host->h_length == 4 && host->h_addrtype == AF_INET &&
              !memcmp(host->h_addr, bytes, 4) && !host->h_addr_list[1],
          "an address is a host's name");
    host = gethostbyaddr(bytes, 4, AF_INET);
    check(host && !strcmp(host->h_name, "192.0.2.7"), "and the other way");
    check(!gethostbyaddr(bytes, 3, AF_INET) && h_errno == NO_RECOVERY,
          "three bytes are no address");
    check(service && service->s_port == htons(80), "http is port 80");
    check(!getservbyname("nonsense", "tcp"), "nonsense is none");
    check(getprotobyname("tcp")->p_proto == IPPROTO_TCP, "tcp is a protocol");
}

static void test_patterns(void)
{
    regmatch_t match[2];
    regex_t regex;
    glob_t found;

    check(!regcomp(&regex, "a(b+)c", REG_EXTENDED), "an expression compiles");
    check(!regexec(&regex, "xxabbbc", 2, match, 0) && match[1].rm_so == 3 &&
              match[1].rm_eo == 6,
          "it matches where it does");
    check(regexec(&regex, "ac", 2, match, 0) == REG_NOMATCH, "or does not");
    regfree(&regex);
    check(regcomp(&regex, "a(", REG_EXTENDED) != 0, "half a group is none");
    check(!fnmatch("*.c", "main.c", 0) && fnmatch("*.c", "main.h", 0),
          "fnmatch tells them apart");
    check(glob("/absent/*.txt", 0, NULL, &found) == GLOB_NOMATCH,
          "glob finds nothing where nothing is");
    check(!glob("/absent/*.txt", GLOB_NOCHECK, NULL, &found) &&
              found.gl_pathc == 1 &&
              !strcmp(found.gl_pathv[0], "/absent/*.txt"),
          "or the pattern itself");
    globfree(&found);
}

static void test_limits(void)
{
    struct rlimit limit = {0, 0};
    struct rusage usage;

    check(!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur == 1024,
          "1024 descriptors");
    limit.rlim_max = limit.rlim_cur = 2048;
    check(setrlimit(RLIMIT_NOFILE, &limit) == -1 && errno == EPERM,
          "and no more");
    check(!getrlimit(RLIMIT_STACK, &limit) && limit.rlim_cur == 256 * 1024,
          "the stack is told");
    check(!getrusage(RUSAGE_SELF, &usage) &&
              (usage.ru_utime.tv_sec || usage.ru_utime.tv_usec),
          "it has used time");
}

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
    alarms += sig == SIGALRM;
}

static void test_alarm(void)
{
    sigjmp_buf before;

    signal(SIGALRM, on_alarm);
    check(alarm(100) == 0 && alarm(1) == 100, "the one before is told");
    check(sleep(100) > 90 && alarms == 1, "an alarm ends a sleep");
    check(alarm(0) == 0, "it comes once");
    if (!sigsetjmp(before, 1))
        siglongjmp(before, 1);
    check(true, "siglongjmp leads back");
}

static void test_devices(void)
{
    char bytes[64] = {1}, zeros[64] = {0};
    int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDONLY);
    int chance = open("/dev/urandom", O_RDONLY);
    struct stat stat_of;

    check(null >= 0 && write(null, bytes, 64) == 64 && !read(null, bytes, 64),
          "/dev/null takes all and has nothing");
    check(zero >= 0 && read(zero, bytes, 64) == 64 && !memcmp(bytes, zeros, 64),
          "/dev/zero has zeros");
    check(chance >= 0 && read(chance, bytes, 64) == 64 &&
              memcmp(bytes, zeros, 64),
          "/dev/urandom has others");
    check(!stat("/dev/null", &stat_of) && S_ISCHR(stat_of.st_mode),
          "they are devices");
    check(write(zero, bytes, 1) == -1 && errno == EBADF, "to be read only");
    check(open("/dev/nothing", O_RDONLY) == -1, "others are not there");
    close(null);
    close(zero);
    close(chance);
}

int run_world(int argc, char **argv)
{
    (void)argc, (void)argv;
    test_users();
    test_processes();
    test_hosts();
    test_patterns();
    test_limits();
    test_alarm();
    test_devices();
    return 0;
}
