# SPDX-License-Identifier: MIT
"""One client that connects again and again, soon from ports it used before.

A public lwIP unikernel dies of this after 800 to 3,000 connections: TIME_WAIT
answers the SYN of a reused port with an ACK and then ignores the reset.
"""

import re

import web
from rig import STATIC_IP, equal, expect, soak

SECONDS = 200

SOURCE_PORTS = 64       # each is used again every 64 connections


def connect(box, count, within):
    guest = web.start(box, memory=8)
    out = box.client("connections", STATIC_IP, 80, count, SOURCE_PORTS,
                     within, within=within + 30, check=False).out
    numbers = dict(re.findall(r"(\w+)=(\d+)", out))
    equal((numbers.get("done"), numbers.get("failed")), (str(count), "0"), out)
    # A stall would be resent SYNs, one for each port reused. A few are the
    # emulator's: it may stand still for longer than the first timeout.
    expect(int(numbers["resent"]) * 100 <= count, out)
    equal(web.status(box), 200, "status afterwards")
    seen = web.metrics(box)
    expect(seen["xenolith_http_connections_accepted_total"] >= count,
           "connections are missing from /metrics")
    expect(guest.state(), "the guest is gone")


def test_20000_connections_from_one_client_succeed(box):
    connect(box, 20000, 400)


@soak
def test_100000_connections_from_one_client_succeed(box):
    connect(box, 100000, 2400)
