# SPDX-License-Identifier: MIT
"""Guests start, with as little memory as they are said to need."""

import re

import web
from rig import STATIC_IP, equal, expect

SECONDS = 45


def test_hello_says_its_line_in_1_MB(box):
    box.create("hello", memory=1).says("^Hello from Xenolith")


def first_line_us(box, memory):
    """CPU time to hello's line; the least of three, as others run as well."""
    return min(int(re.search(r"after (\d+) us", box.create(
        "hello", memory=memory).says("^Hello from Xenolith")[0])[1])
        for _ in range(3))


def test_with_256_MB_it_starts_as_quickly_as_with_4(box):
    small, large = first_line_us(box, 4), first_line_us(box, 256)
    # Mapping all memory would take 110 ms of 256 MB, and 2 ms of 4.
    expect(large < 8 * small, f"{small} us with 4 MB, {large} us with 256")


def test_http_serves_many_at_once_in_2_MB(box):
    guest = web.start(box, memory=2)
    out = box.client("load", STATIC_IP, 80, 20, 25, "/", within=120)
    equal(out, "good=500\n", "whole answers")
    equal(web.metrics(box)['xenolith_http_connections_refused_total'], 0,
          "refused connections")
    expect(guest.state(), "the guest is gone")


def test_a_guest_with_too_little_memory_says_how_much_it_needs(box):
    guest = box.create("selftest", memory=1, cmdline="test=net-short-memory")
    guest.says("error: net: .*needs .*memory=[2-9]")


def test_two_guests_of_one_image_run_side_by_side(box):
    first = box.create("hello", memory=1)
    second = box.create("hello", memory=1)
    for guest in (first, second):
        guest.says("^Hello")
    # Each has its own console, and the second has not taken the first's place.
    for guest, line in ((first, "to the first"), (second, "to the second")):
        guest.types(f"{line}\n")
        guest.says(f"^{line}")
    for guest, other in ((first, "to the second"), (second, "to the first")):
        expect(other not in guest.console(), f"{guest.name} heard the other")


def test_a_guest_started_paused_runs_when_unpaused(box):
    guest = box.create("hello", memory=1, paused=True)
    equal(guest.console(), "", "console of a paused guest")
    guest.xl("unpause")
    guest.says("^Hello")
