# SPDX-License-Identifier: MIT
"""Runs commands in dom0 over a box's virtio-serial ports (see agent.c).

A client takes a free port by locking its file in the run folder. The file
says whether its last user ended in order (empty) or may have left half a
frame behind (not empty): the next one then sends padding first.
"""

import fcntl
import os
import select
import signal
import socket
import struct
import time

from paths import Failure, say

PORTS = 12                  # commands at the same time
FRAME_MAX = 64 * 1024       # these three as in agent.c
STDIN_WINDOW = 256 * 1024
ARGUMENTS_MAX = 256
CHUNK = 32 * 1024

HELLO, RUN, STDIN, SIGNAL, WINDOW = 1, 2, 3, 4, 5
STDOUT, STDERR, EXIT, ACK = 16, 17, 18, 19

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Gone(Failure):
    """The box went away while we talked to it."""


class Abandoned(Exception):
    """The user asked twice to stop."""


def frame(kind, payload=b""):
    return struct.pack("<I", kind | len(payload) << 8) + payload


def connect(folder, name):
    """Connect to a socket in a folder whose path may be long."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(f"/proc/self/fd/{handle}/{name}")
        return peer
    except OSError:
        raise Gone("the box does not answer: its qemu is gone")
    finally:
        os.close(handle)


class Port:
    """One locked port, synchronised with its agent."""

    def __init__(self, folder, number=None, deadline=None):
        self.peer = None
        self.lock, self.number = self.take(folder, number)
        self.received = b""
        try:
            self.peer = connect(folder, f"port-{self.number}")
            self.synchronise(deadline)
        except BaseException:
            self.close(orderly=False)
            raise

    @staticmethod
    def take(folder, number):
        numbers = [number] if number else range(1, PORTS + 1)
        said = False
        started = time.monotonic()
        while True:
            for each in numbers:
                try:
                    lock = open(f"{folder}/port-{each}.lock", "ab")
                except FileNotFoundError:
                    raise Gone("the box is gone")
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return lock, each
                except OSError:
                    lock.close()
            if not said and time.monotonic() - started > 5:
                say(f"all {PORTS} ports of the box are in use: waiting")
                said = True
            time.sleep(0.02)

    def synchronise(self, deadline):
        nonce = os.urandom(16)
        left_over = os.fstat(self.lock.fileno()).st_size > 0
        padding = bytes(FRAME_MAX + 4) if left_over else b""
        self.lock.write(b"x")
        self.lock.flush()
        self.peer.setblocking(False)
        out = padding + frame(HELLO, nonce)
        poll = select.poll()
        while nonce not in self.received:
            poll.register(self.peer, select.POLLIN
                          | (select.POLLOUT if out else 0))
            wait = None
            if deadline is not None:
                wait = max(0, deadline - time.monotonic()) * 1000
            ready = poll.poll(wait)
            if not ready:
                raise Failure("dom0 does not answer")
            if ready[0][1] & select.POLLOUT:
                out = out[self.peer.send(out):]
            if ready[0][1] & ~select.POLLOUT:
                self.receive()
        self.received = self.received.split(nonce, 1)[1]

    def receive(self):
        try:
            data = self.peer.recv(2 * FRAME_MAX)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            raise Gone("the box went down")
        self.received += data

    def frames(self):
        """The complete frames received so far."""
        at = 0
        while len(self.received) - at >= 4:
            header, = struct.unpack_from("<I", self.received, at)
            end = at + 4 + (header >> 8)
            if end > len(self.received):
                break
            yield header & 0xff, self.received[at + 4:end]
            at = end
        self.received = self.received[at:]

    def close(self, orderly):
        if orderly:
            self.lock.truncate(0)
        if self.peer:
            self.peer.close()
        self.lock.close()


class Command:
    """One command on a port, and its streams on this side."""

    def __init__(self, port, arguments, *, stdin=None, output=None,
                 terminal=None):
        self.port = port
        self.stdin = stdin                  # a descriptor, or None
        self.output = output or self.write
        self.window = STDIN_WINDOW
        self.status = None
        self.stops = 0                      # times the user asked to stop
        self.in_order = True
        rows, columns = terminal or (0, 0)
        payload = struct.pack("<BBHH", terminal is not None, 0, rows, columns)
        payload += b"".join(os.fsencode(each) + b"\0" for each in arguments)
        if len(payload) >= FRAME_MAX or len(arguments) > ARGUMENTS_MAX:
            raise Failure("the command is longer than 64 KB or 256 words: "
                          "put it into a file, and that into the box")
        self.out = frame(RUN, payload + b"\1")
        if stdin is None:
            self.out += frame(STDIN)

    @staticmethod
    def write(kind, data):
        descriptor = 1 if kind == STDOUT else 2
        while data:
            data = data[os.write(descriptor, data):]

    def run(self):
        """Returns the exit status; passes signals on meanwhile."""
        wake, notify = os.pipe()
        os.set_blocking(notify, False)
        old_wakeup = signal.set_wakeup_fd(notify)
        caught = (*FORWARDED, signal.SIGWINCH)
        old = [signal.signal(each, lambda *_: None) for each in caught]
        try:
            while self.status is None:
                self.turn(wake)
        finally:
            for number, handler in zip(caught, old):
                signal.signal(number, handler)
            signal.set_wakeup_fd(old_wakeup)
            os.close(wake)
            os.close(notify)
        if self.out or self.window != STDIN_WINDOW:
            self.in_order = False
        return self.status

    def turn(self, wake):
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        poll.register(self.port.peer, select.POLLIN
                      | (select.POLLOUT if self.out else 0))
        if self.stdin is not None and self.window > 0 and not self.out:
            poll.register(self.stdin, select.POLLIN)
        ready = dict(poll.poll())
        if wake in ready:
            self.pass_signals(os.read(wake, 64))
        events = ready.get(self.port.peer.fileno(), 0)
        if events & ~select.POLLOUT:
            self.port.receive()
            self.take_frames()
        if events & select.POLLOUT:
            self.send()
        if self.stdin in ready:
            self.pass_input()

    def send(self):
        try:
            self.out = self.out[self.port.peer.send(self.out):]
        except BlockingIOError:
            pass
        except OSError:
            raise Gone("the box went down")

    def pass_input(self):
        try:
            data = os.read(self.stdin, min(CHUNK, self.window))
        except OSError:
            data = b""                      # the terminal hung up
        self.window -= len(data)
        self.out += frame(STDIN, data)
        if not data:
            self.stdin = None

    def pass_signals(self, numbers):
        self.in_order = False
        for number in numbers:
            if number == signal.SIGWINCH:
                size = os.get_terminal_size()
                self.out += frame(WINDOW, struct.pack(
                    "<HH", size.lines, size.columns))
                continue
            self.stops += 1
            if self.stops > 1:
                raise Abandoned
            self.out += frame(SIGNAL, bytes([number]))

    def take_frames(self):
        for kind, payload in self.port.frames():
            if kind in (STDOUT, STDERR):
                self.output(kind, payload)
            elif kind == ACK:
                self.window += struct.unpack("<I", payload)[0]
            elif kind == EXIT:
                self.status = payload[0]


def run(folder, arguments, *, number=None, deadline=None, **streams):
    """Run a command in dom0; returns its exit status."""
    port = Port(folder, number, deadline)
    orderly = False
    try:
        command = Command(port, arguments, **streams)
        status = command.run()
        orderly = command.in_order
        return status
    except Abandoned:
        return 130
    finally:
        port.close(orderly)


def capture(folder, arguments, **options):
    """Run a command; returns its status and all it wrote."""
    parts = []
    status = run(folder, arguments, output=lambda _, data: parts.append(data),
                 **options)
    return status, b"".join(parts).decode(errors="replace")
