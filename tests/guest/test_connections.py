# SPDX-License-Identifier: MIT
"""One client that connects again and again, soon from ports it used before.

A public lwIP unikernel dies of this after 800 to 3,000 connections: TIME_WAIT
answers the SYN of a reused port with an ACK and then ignores the reset.
"""

import re

import web
from rig import STATIC_IP, equal, expect, soak

SECONDS = 400

SOURCE_PORTS = 64       # each is used again every 64 connections


def connect(box, count, within):
    guest = web.start(box, memory=8)
    out = box.client("connections", STATIC_IP, 80, count, SOURCE_PORTS,
                     within, within=within + 30, check=False).out
    numbers = {name: int(value)
               for name, value in re.findall(r"(\w+)=(\d+)", out)}
    equal(numbers.get("done"), count, f"connections in {within} s:\n{out}")
    equal(numbers["failed"], 0, out)
    # A stall would be resent SYNs, one for each port reused. A few are the
    # emulator's: it may stand still for longer than the first timeout.
    expect(numbers["resent"] * 100 <= numbers["done"], out)
    equal(web.status(box), 200, "status afterwards")
    equal(web.metrics(box)["xenolith_http_connections_open"], 1, "left open")
    expect(guest.state(), "the guest is gone")


def test_10000_connections_from_one_client_succeed(box):
    connect(box, 10000, 900)


@soak
def test_100000_connections_from_one_client_succeed(box):
    connect(box, 100000, 3000)
