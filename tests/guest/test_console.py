# SPDX-License-Identifier: MIT
"""The console both ways, and without anybody at the other end."""

import base64
import random

import web
from rig import STATIC_IP, equal, expect, retry

SECONDS = 40

PASTE_BYTES = 4096
REQUESTS = 600          # whose log lines no ring and no backlog holds


def hello(box):
    guest = box.create("hello", memory=1)
    guest.says("^Hello from Xenolith")
    return guest


def test_typed_lines_reach_the_app(box):
    guest = hello(box)
    guest.types("first line\nsecond line\n")
    guest.says("^second line")
    lines = guest.console().splitlines()
    equal(lines[2:4], ["first line", "second line"], "what hello repeats")


def test_a_typed_word_ends_the_app(box):
    guest = hello(box)
    guest.types("exit\n")
    guest.ends()


def test_a_paste_of_4_KiB_loses_nothing(box):
    guest = hello(box)
    chance = random.Random(1)
    lines = [base64.b64encode(chance.randbytes(45)).decode()
             for _ in range(PASTE_BYTES // 61)] + ["the end"]
    guest.types("".join(line + "\n" for line in lines))
    guest.says("^the end")
    equal(guest.console().splitlines()[2:], lines, "what hello repeats")


def test_a_guest_that_dies_at_once_is_still_heard(box):
    guest = box.create("selftest", memory=4, cmdline="test=fault-assert",
                       on_crash="destroy")
    guest.says("error: panic: ")
    guest.ends()
    expect("# fault-assert" in guest.console(), "its first line is lost")


def test_nobody_at_the_console_is_no_hindrance(box):
    daemon = "$(cat /run/xenconsoled.pid)"
    guest = web.start(box, cmdline=web.ON_XENBR0 + " log=debug")
    box.sh(f"kill -STOP {daemon}")
    try:
        out = box.client("load", STATIC_IP, 80, 4, REQUESTS // 4, "/",
                         within=120)
    finally:
        box.sh(f"kill -CONT {daemon}")
    equal(out, f"good={REQUESTS}\n", "whole answers")
    guest.says("bytes .*(dropped|lost)|(dropped|lost) .*bytes")
    web.curl(box, path="/after")
    guest.says("/after")


def test_a_guest_starts_and_ends_without_a_reader(box):
    daemon = "$(cat /run/xenconsoled.pid)"
    guest = box.create("http", memory=4, vif=["bridge=xenbr0"],
                       cmdline=web.ON_XENBR0, paused=True)
    box.sh(f"kill -STOP {daemon}")
    try:
        guest.xl("unpause")
        retry(lambda: web.curl(box, within=5))
        guest.xl("shutdown", "-w")
        guest.ends()            # one that has crashed would be preserved
    finally:
        box.sh(f"kill -CONT {daemon}")
