# SPDX-License-Identifier: MIT
"""Forwards a UDP port of this machine into a box (see udprelay.c).

The relay is a process of its own with one of the box's ports. It ends when
qemu does, because its port then closes.
"""

import os
import struct

import channel

PEERS_MAX = 64              # as in udprelay.c; then the oldest is forgotten


class Relay(channel.Command):
    """The command `udprelay`, whose input are a socket's datagrams."""

    def __init__(self, port, udp, address, number):
        super().__init__(port, ["udprelay", address, str(number)],
                         stdin=udp.fileno(), output=self.answer)
        self.udp = udp
        self.peers = [None] * PEERS_MAX
        self.next = 0
        self.received = b""

    def number_of(self, peer):
        if peer not in self.peers:
            self.peers[self.next] = peer
            self.next = (self.next + 1) % PEERS_MAX
        return self.peers.index(peer)

    def pass_input(self):
        data, peer = self.udp.recvfrom(65507)
        message = struct.pack("<HH", self.number_of(peer), len(data)) + data
        self.window -= len(message)
        self.out += channel.frame(channel.STDIN, message)

    def answer(self, kind, data):
        if kind != channel.STDOUT:
            return
        self.received += data
        while len(self.received) >= 4:
            peer, length = struct.unpack_from("<HH", self.received)
            if len(self.received) < 4 + length:
                return
            message = self.received[4:4 + length]
            self.received = self.received[4 + length:]
            try:
                self.udp.sendto(message, self.peers[peer])
            except OSError:
                pass                # lost, as datagrams may be


def run(folder, udp, address, number):
    try:
        Relay(channel.Port(folder), udp, address, number).run()
    except (channel.Failure, channel.Abandoned):
        pass                        # the box went down


def start(folder, udp, address, number):
    """Start a relay for a bound socket; returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)
        run(folder, udp, address, number)
    finally:
        os._exit(0)
