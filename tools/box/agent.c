/* SPDX-License-Identifier: MIT */
/*
 * The box's agent: runs commands in dom0 for `tools/xenbox`.
 *
 * Every virtio-serial port named box.N is served by one process, one command
 * at a time; several ports make several commands at once. Both directions
 * carry frames: a little-endian word, type | length << 8, and the payload.
 *
 * A client may die at any byte. Three rules keep the next one safe:
 *  - zero bytes between frames are padding, so FRAME_MAX of them in front of
 *    a HELLO complete whatever its predecessor left half said;
 *  - HELLO kills the command that still runs and is echoed with its payload,
 *    a fresh random number the client looks for in what it receives;
 *  - a RUN frame ends in a non-zero byte, so one that padding completed is
 *    seen and never run.
 * Input is sent against credit (STDIN_WINDOW, returned by ACK frames): the
 * port is always read, and a SIGNAL never waits behind input that the
 * command does not take. When the host side closes, the command dies.
 *
 * Linux reports POLLHUP for as long as no client is there, so a port that
 * hung up is left out of poll() until its SIGIO says that it changed. It may
 * also learn of a client later than of the client's HELLO: the answer is kept
 * until it did, and no command starts that the late news would kill.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum frame_type {
    /* from the client */
    FRAME_HELLO = 1,  /* nonce; echoed */
    FRAME_RUN = 2,    /* struct run, arguments each ending in NUL, 0x01 */
    FRAME_STDIN = 3,  /* bytes; none: end of file */
    FRAME_SIGNAL = 4, /* one byte: the signal for the process group */
    FRAME_WINDOW = 5, /* rows, columns: two 16-bit words */
    /* to the client */
    FRAME_STDOUT = 16,
    FRAME_STDERR = 17,
    FRAME_EXIT = 18, /* one byte: exit status, or 128 + signal */
    FRAME_ACK = 19,  /* 32-bit word: bytes of input taken */
};

#define HEADER_SIZE  4
#define FRAME_MAX    (64 * 1024)  /* payload; a command line fits in it */
#define OUTPUT_MAX   (32 * 1024)  /* the port's driver takes 32 KiB a write */
#define STDIN_WINDOW (256 * 1024) /* keeps the channel busy between ACKs */
#define ARGS_MAX     256
#define PORTS_MAX    64

struct run {
    uint8_t on_tty;
    uint8_t unused;
    uint16_t rows;
    uint16_t columns;
} __attribute__((packed));

struct session {
    int port;
    int signals; /* signalfd: SIGCHLD, SIGIO */
    bool hung_up;
    size_t rx_length;
    size_t tx_length, tx_sent;
    pid_t child;  /* 0: no command, or it was reaped */
    bool running; /* a client waits for an EXIT frame */
    int status;
    int input, output, error; /* our ends of the command's streams, or -1 */
    bool input_ends;
    size_t input_start, input_length;
    uint32_t credit; /* input taken and not yet acknowledged */
    uint8_t rx[HEADER_SIZE + FRAME_MAX];
    uint8_t tx[3 * (HEADER_SIZE + OUTPUT_MAX)];
    uint8_t pending[STDIN_WINDOW];
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* --- frames to the client ------------------------------------------------ */

static bool tx_has_room(const struct session *s)
{
    return s->tx_length + 2 * HEADER_SIZE + OUTPUT_MAX + 8 <= sizeof(s->tx);
}

static void frame_close(struct session *s, enum frame_type type, size_t length)
{
    uint32_t header = type | (uint32_t)length << 8;

    memcpy(s->tx + s->tx_length, &header, HEADER_SIZE);
    s->tx_length += HEADER_SIZE + length;
}

/* For payloads of a few bytes, one a turn: tx_has_room() keeps their place. */
static void frame_send(struct session *s, enum frame_type type,
                       const void *payload, size_t length)
{
    memcpy(s->tx + s->tx_length + HEADER_SIZE, payload, length);
    frame_close(s, type, length);
}

static void tx_write(struct session *s)
{
    ssize_t n = write(s->port, s->tx + s->tx_sent, s->tx_length - s->tx_sent);

    if (n > 0)
        s->tx_sent += n;
    if (s->tx_sent == s->tx_length)
        s->tx_sent = s->tx_length = 0;
}

/* --- the command --------------------------------------------------------- */

static void streams_close(struct session *s)
{
    if (s->output == s->input)
        s->output = -1; /* a terminal is one descriptor */
    close_fd(&s->input);
    close_fd(&s->output);
    close_fd(&s->error);
    s->input_start = s->input_length = 0;
    s->input_ends = false;
    s->credit = 0;
}

static void command_abandon(struct session *s)
{
    if (s->child > 0) {
        kill(-s->child, SIGKILL);
        waitpid(s->child, NULL, 0);
    }
    s->child = 0;
    s->running = false;
    streams_close(s);
    s->tx_length = s->tx_sent = 0;
}

static void child_exec(char **arguments)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    if (chdir("/root") < 0)
        perror("/root");
    execvp(arguments[0], arguments);
    fprintf(stderr, "%s: %s\n", arguments[0], strerror(errno));
    _exit(127);
}

static void child_exec_on_pipes(char **arguments, const int ends[3])
{
    setsid();
    for (int i = 0; i < 3; i++)
        dup2(ends[i], i);
    child_exec(arguments);
}

static void start_on_terminal(struct session *s, const struct run *run,
                              char **arguments)
{
    struct winsize size = {.ws_row = run->rows, .ws_col = run->columns};
    int master = -1;

    s->child = forkpty(&master, NULL, NULL, &size);
    if (s->child == 0)
        child_exec(arguments);
    s->input = s->output = master;
}

static void start_on_pipes(struct session *s, char **arguments)
{
    int in[2], out[2], err[2];

    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 ||
        pipe2(err, O_CLOEXEC) < 0)
        abort(); /* the parent starts this port afresh */
    fcntl(in[1], F_SETPIPE_SZ, STDIN_WINDOW);
    fcntl(out[1], F_SETPIPE_SZ, STDIN_WINDOW);
    s->child = fork();
    if (s->child == 0)
        child_exec_on_pipes(arguments, (int[]){in[0], out[1], err[1]});
    close(in[0]);
    close(out[1]);
    close(err[1]);
    s->input = in[1];
    s->output = out[0];
    s->error = err[0];
}

static void unblock(int fd)
{
    if (fd >= 0)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void command_start(struct session *s, char *payload, size_t length)
{
    struct run run;
    char *arguments[ARGS_MAX + 1];
    char *end = payload + length - 1;
    int count = 0;

    if (length < sizeof(run) + 2 || *end != 1 || s->running)
        return;
    memcpy(&run, payload, sizeof(run));
    for (char *p = payload + sizeof(run); p < end && count < ARGS_MAX;
         p += strlen(p) + 1)
        arguments[count++] = p;
    arguments[count] = NULL;
    if (run.on_tty)
        start_on_terminal(s, &run, arguments);
    else
        start_on_pipes(s, arguments);
    s->running = true;
    s->status = 127;
    if (s->child < 0)
        s->child = 0; /* no process to be had: EXIT with 127 */
    unblock(s->input);
    unblock(s->output);
    unblock(s->error);
}

static void child_reap(struct session *s)
{
    int status;

    if (s->child <= 0 || waitpid(s->child, &status, WNOHANG) != s->child)
        return;
    s->child = 0;
    s->status =
        WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* --- the command's streams ----------------------------------------------- */

static void input_ack(struct session *s)
{
    if (s->credit == 0 || !tx_has_room(s))
        return;
    frame_send(s, FRAME_ACK, &s->credit, sizeof(s->credit));
    s->credit = 0;
}

static void input_queue(struct session *s, const uint8_t *bytes, size_t length)
{
    size_t end = s->input_start + s->input_length;

    if (length == 0)
        s->input_ends = true;
    if (s->input < 0 || s->input_length + length > STDIN_WINDOW) {
        s->credit += length; /* nobody reads it any more */
        return;
    }
    for (size_t i = 0; i < length; i++)
        s->pending[(end + i) % STDIN_WINDOW] = bytes[i];
    s->input_length += length;
}

static void input_close(struct session *s)
{
    if (s->input != s->output)
        close_fd(&s->input);
    s->input_length = 0;
}

static void input_write(struct session *s)
{
    size_t run = STDIN_WINDOW - s->input_start;
    ssize_t n;

    if (s->input_length > 0) {
        if (run > s->input_length)
            run = s->input_length;
        n = write(s->input, s->pending + s->input_start, run);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            s->credit += s->input_length;
            input_close(s);
            return;
        }
        s->input_start = (s->input_start + n) % STDIN_WINDOW;
        s->input_length -= n;
        s->credit += n;
    }
    if (s->input_length == 0 && s->input_ends) {
        s->input_ends = false;
        input_close(s);
    }
}

/* Returns whether the stream may have more to give just now. */
static bool output_read(struct session *s, int *fd, enum frame_type type)
{
    ssize_t n;

    if (*fd < 0)
        return false;
    n = read(*fd, s->tx + s->tx_length + HEADER_SIZE, OUTPUT_MAX);
    if (n > 0) {
        frame_close(s, type, n);
        return true;
    }
    if (n == 0 || errno != EAGAIN) {
        if (*fd == s->input)
            s->input = -1;
        close_fd(fd);
    }
    return false;
}

/* What a command wrote before it ended is in the pipes: EXIT comes after. */
static void output_finish(struct session *s)
{
    uint8_t status = s->status;

    if (!s->running || s->child > 0 || !tx_has_room(s))
        return;
    if (output_read(s, &s->output, FRAME_STDOUT))
        return;
    if (output_read(s, &s->error, FRAME_STDERR))
        return;
    frame_send(s, FRAME_EXIT, &status, sizeof(status));
    s->running = false;
    streams_close(s);
}

/* --- frames from the client ---------------------------------------------- */

static void window_resize(struct session *s, const uint8_t *payload)
{
    uint16_t words[2];

    memcpy(words, payload, sizeof(words));
    if (s->input >= 0)
        ioctl(s->input, TIOCSWINSZ,
              &(struct winsize){.ws_row = words[0], .ws_col = words[1]});
}

static void frame_receive(struct session *s, enum frame_type type,
                          uint8_t *payload, size_t length)
{
    switch (type) {
    case FRAME_HELLO:
        command_abandon(s);
        if (length <= 64)
            frame_send(s, FRAME_HELLO, payload, length);
        break;
    case FRAME_RUN:
        command_start(s, (char *)payload, length);
        break;
    case FRAME_STDIN:
        if (s->running)
            input_queue(s, payload, length);
        break;
    case FRAME_SIGNAL:
        if (s->child > 0 && length == 1)
            kill(-s->child, payload[0]);
        break;
    case FRAME_WINDOW:
        if (length == 4)
            window_resize(s, payload);
        break;
    default:
        break; /* garbage that padding completed */
    }
}

/* Handles the first frame or padding byte in rx; returns how long it was. */
static size_t rx_take(struct session *s, uint8_t *at, size_t have)
{
    uint32_t header;
    size_t length;

    if (have > 0 && at[0] == 0)
        return 1;
    if (have < HEADER_SIZE)
        return 0;
    memcpy(&header, at, HEADER_SIZE);
    length = header >> 8;
    if (length > FRAME_MAX)
        return 1; /* not ours: look for the next padding */
    if (have < HEADER_SIZE + length)
        return 0;
    frame_receive(s, header & 0xff, at + HEADER_SIZE, length);
    return HEADER_SIZE + length;
}

/* Reads what came in; nothing (and not "later") means: nobody is there. */
static void port_check(struct session *s)
{
    ssize_t n =
        read(s->port, s->rx + s->rx_length, sizeof(s->rx) - s->rx_length);
    size_t done = 0, step;

    if (n == 0) {
        s->hung_up = true;
        if (s->running)
            command_abandon(s);
    }
    if (n <= 0)
        return;
    s->rx_length += n;
    while ((step = rx_take(s, s->rx + done, s->rx_length - done)) > 0)
        done += step;
    s->rx_length -= done;
    memmove(s->rx, s->rx + done, s->rx_length);
}

/* --- one port ------------------------------------------------------------ */

static void signals_read(struct session *s)
{
    struct signalfd_siginfo info;

    while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGIO)
            s->hung_up = false;
    }
    child_reap(s);
}

static void session_turn(struct session *s)
{
    bool room = tx_has_room(s);
    bool feeds = s->input_length > 0 || s->input_ends;
    struct pollfd fds[] = {
        {.fd = s->signals, .events = POLLIN},
        {.fd = s->hung_up ? -1 : s->port,
         .events = (room ? POLLIN : 0) | (s->tx_length ? POLLOUT : 0)},
        {.fd = room ? s->output : -1, .events = POLLIN},
        {.fd = room ? s->error : -1, .events = POLLIN},
        {.fd = feeds ? s->input : -1, .events = POLLOUT},
    };

    poll(fds, sizeof(fds) / sizeof(fds[0]), -1);
    if (fds[0].revents)
        signals_read(s);
    if (fds[1].revents & (POLLIN | POLLHUP))
        port_check(s);
    if ((fds[1].revents & (POLLOUT | POLLHUP)) == POLLOUT && s->tx_length)
        tx_write(s);
    if (fds[4].revents && s->input >= 0)
        input_write(s);
    if (fds[2].revents && tx_has_room(s))
        output_read(s, &s->output, FRAME_STDOUT);
    if (fds[3].revents && tx_has_room(s))
        output_read(s, &s->error, FRAME_STDERR);
    input_ack(s);
    output_finish(s);
}

static int signals_open(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGIO);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void port_serve(const char *device)
{
    static struct session s = {.input = -1, .output = -1, .error = -1};

    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    s.signals = signals_open();
    s.port = open(device, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (s.port < 0 || s.signals < 0) {
        perror(device);
        sleep(1); /* the parent tries again at once */
        exit(1);
    }
    fcntl(s.port, F_SETOWN, getpid());
    fcntl(s.port, F_SETFL, O_RDWR | O_NONBLOCK | O_ASYNC);
    for (;;)
        session_turn(&s);
}

/* --- all ports ----------------------------------------------------------- */

static bool is_box_port(const char *port)
{
    char path[320], name[32] = "";
    FILE *file;

    snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", port);
    file = fopen(path, "r");
    if (!file)
        return false;
    if (!fgets(name, sizeof(name), file))
        name[0] = '\0';
    fclose(file);
    return strncmp(name, "box.", 4) == 0;
}

static int ports_find(char devices[][64])
{
    DIR *directory = opendir("/sys/class/virtio-ports");
    struct dirent *entry;
    int count = 0;

    if (!directory)
        return 0;
    while (count < PORTS_MAX && (entry = readdir(directory)))
        if (is_box_port(entry->d_name))
            snprintf(devices[count++], 64, "/dev/%.50s", entry->d_name);
    closedir(directory);
    return count;
}

static pid_t port_start(const char *device)
{
    pid_t pid = fork();

    if (pid == 0)
        port_serve(device);
    return pid;
}

int main(void)
{
    static char devices[PORTS_MAX][64];
    pid_t pids[PORTS_MAX];
    int count = ports_find(devices);

    if (count == 0) {
        fprintf(stderr, "agent: no virtio-serial port named box.*\n");
        return 1;
    }
    setenv("PATH", "/usr/sbin:/usr/bin", 1);
    setenv("HOME", "/root", 1);
    for (int i = 0; i < count; i++)
        pids[i] = port_start(devices[i]);
    for (;;) {
        pid_t dead = wait(NULL);

        for (int i = 0; i < count; i++)
            if (pids[i] == dead)
                pids[i] = port_start(devices[i]);
    }
}
