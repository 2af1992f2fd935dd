# SPDX-License-Identifier: MIT
"""Mistakes in a cfg are named; those that change what is served end it."""

import re

from rig import equal, expect

SECONDS = 30

LINE_BYTES = 1023       # Xen's limit
OPTIONS = 64            # kernel/options.h


def goes_on(box, cmdline, line):
    guest = box.create("http", memory=4, cmdline=cmdline)
    guest.says(line)
    guest.says("http: serving")
    expect(guest.state(), "it stopped")


def stops(box, cmdline, line):
    guest = box.create("http", memory=4, cmdline=cmdline)
    guest.says(line)
    guest.ends()
    expect("http: serving" not in guest.console(), "it served first")


def test_an_unknown_key_is_named(box):
    goes_on(box, "http.prot=80", "warning: options: .*http.prot=80")


def test_a_bad_level_is_named(box):
    goes_on(box, "log=loud", "warning: .*log=loud")


def test_a_word_that_is_no_option_is_named(box):
    goes_on(box, "=80 log=info", "error: options: .*=80")


def test_a_key_given_twice_is_named(box):
    goes_on(box, "http.port=81 http.port=80", "warning: options: http.port=81")
    expect("on port 80, " in box.guests[-1].console(), "another port counts")


def test_bytes_that_are_no_text_are_named(box):
    goes_on(box, "log=info \x01\xe9\x1b[31m",
            r'error: options: "\?.*\?\[31m" is ignored: control character')


def test_the_longest_command_line_is_read_to_its_end(box):
    """Two keys more than there is room for; the last one acts, whole."""
    last = " http.port=8080"
    words = " ".join(f"key{i:02}={'x' * 8}" for i in range(OPTIONS + 1))
    line = words + "x" * (LINE_BYTES - len(words + last)) + last
    equal(len(line), LINE_BYTES, "bytes of the line")
    guest = box.create("http", memory=4, cmdline=line)
    guest.says("http: serving .*port 8080, ")
    ignored = f"options: more than {OPTIONS} options: (key..) is ignored"
    guest.says(ignored, times=2)
    equal(re.findall(ignored, guest.console(), re.M), ["key00", "key01"],
          "keys that fell out")
    guest.says("options: nobody knows key02=x")


def test_a_bad_address_stops_it(box):
    stops(box, "vif0.ip=10.0.2.300/24",
          "error: net: vif0.ip=10.0.2.300/24: must be")


def test_a_bad_port_stops_it(box):
    stops(box, "http.port=0", "error: options: http.port=0")
