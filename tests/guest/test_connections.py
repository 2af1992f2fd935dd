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
LEAST = 5000            # on a machine that is too slow for more


def connect(box, count, within):
    """As many as the time allows; returns how many."""
    guest = web.start(box, memory=8)
    out = box.client("connections", STATIC_IP, 80, count, SOURCE_PORTS,
                     within, within=within + 30, check=False).out
    numbers = {name: int(value)
               for name, value in re.findall(r"(\w+)=(\d+)", out)}
    expect(numbers.get("done", 0) >= min(LEAST, count), out)
    equal(numbers["failed"], 0, out)
    # A stall would be resent SYNs, one for each port reused. A few are the
    # emulator's: it may stand still for longer than the first timeout.
    expect(numbers["resent"] * 100 <= count, out)
    equal(web.status(box), 200, "status afterwards")
    equal(web.metrics(box)["xenolith_http_connections_open"], 1, "left open")
    expect(guest.state(), "the guest is gone")
    return numbers["done"]


def test_100000_connections_from_one_client_succeed(box):
    done = connect(box, 100000, 600)
    if done < 100000:
        return f"{done} of them; there was no time for more"


@soak
def test_100000_connections_however_long_they_take(box):
    equal(connect(box, 100000, 3000), 100000, "connections")
