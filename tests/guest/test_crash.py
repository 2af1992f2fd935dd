# SPDX-License-Identifier: MIT
"""Every way to crash ends in one readable dump and a crashed domain."""

import os
import re

from rig import BUILD, ROOT, equal, expect, run

SECONDS = 60

DUMP = "error: trap: .* at [0-9a-f]{16}"


def crash(box, fault, **keys):
    return box.create("selftest", memory=4, cmdline=f"test={fault}", **keys)


def names(guest):
    """What tools/symbolize makes of its console."""
    return run([os.path.join(ROOT, "tools", "symbolize"), "--image",
                os.path.join(BUILD, "selftest.elf.debug")],
               stdin=guest.console().encode()).out


def symbol(name):
    """Where the image has it."""
    table = run(["nm", os.path.join(BUILD, "selftest.elf.debug")]).out
    return int(re.search(rf"^([0-9a-f]+) \w {name}$", table, re.M)[1], 16)


def check_trap(box, fault, kind, function=None):
    """A fault of the processor: one dump, which names the function."""
    guest = crash(box, fault)
    dump, = guest.says(DUMP)
    expect(kind in dump, f"expected {kind!r}: {dump}")
    guest.has_state("c")
    console = guest.console()
    equal(len(re.findall(DUMP, console)), 1, "dumps")
    equal(console.count("error: panic: "), 1, "panics")
    expect("not ok" not in console, "the fault went unnoticed")
    function = function or fault.replace("-", "_")
    expect(re.search(rf"\b{function}\+0x", names(guest)),
           f"symbolize does not name {function}:\n{names(guest)}")


def check_panic(box, fault, sentence):
    """A mistake that the guest finds itself: a sentence."""
    guest = crash(box, fault)
    guest.says(f"error: panic: .*{sentence}")
    guest.has_state("c")
    equal(guest.console().count("error: panic: "), 1, "panics")


def test_NULL_cannot_be_written(box):
    check_trap(box, "fault-null", "page fault (vector 14, error 0x2)")


def test_NULL_cannot_be_read(box):
    check_trap(box, "fault-null-read", "page fault (vector 14, error 0x0)")


def test_NULL_cannot_be_called(box):
    check_trap(box, "fault-null-call", "page fault (vector 14")


def test_text_cannot_be_written(box):
    check_trap(box, "fault-text", "page fault (vector 14, error 0x3)")


def test_constants_cannot_be_written(box):
    check_trap(box, "fault-rodata", "page fault (vector 14, error 0x3)")


def test_data_cannot_be_executed(box):
    check_trap(box, "fault-exec", "page fault (vector 14, error 0x11)")


def test_the_stack_cannot_be_executed(box):
    check_trap(box, "fault-exec-stack", "page fault (vector 14, error 0x11)")


def test_the_heap_cannot_be_executed(box):
    check_trap(box, "fault-exec-heap", "page fault (vector 14, error 0x11)")


def test_an_illegal_instruction_is_reported(box):
    check_trap(box, "fault-opcode", "invalid opcode (vector 6")


def test_a_stack_overflow_hits_the_guard_page(box):
    # The page that should take the report is the one that is missing, so it
    # is Xen that speaks.
    guest = crash(box, "fault-stack")
    guest.has_state("c")
    said = box.sh("xl dmesg")
    dump = re.search(rf"Domain {guest.domid} .*crashed(.*)", said, re.S)
    expect(dump, "Xen says nothing of a crash")
    cr2 = re.search(r"cr2: ([0-9a-f]{16})", dump[1])
    expect(cr2, f"Xen does not say where:\n{dump[0]}")
    guard = symbol("layout_stack_guard")
    expect(guard <= int(cr2[1], 16) < symbol("layout_stack"),
           f"it hit {cr2[1]}, the guard page is at {guard:016x}")
    expect("not ok" not in guest.console(), "the fault went unnoticed")


def test_a_failed_assertion_is_told(box):
    check_trap(box, "fault-assert", "invalid opcode (vector 6")
    guest = box.guests[-1]
    guest.says("error: assert: .*selftest_fault.c:[0-9]+: nowhere == 1")


def test_abort_is_told(box):
    check_panic(box, "fault-abort", "abort")


def test_a_double_free_is_told(box):
    check_panic(box, "fault-double-free", "free: .* was freed before")


def test_a_wild_free_is_told(box):
    check_panic(box, "fault-wild-free", "free: .* is not the start of a block")


def test_on_crash_destroy_removes_the_domain(box):
    guest = crash(box, "fault-null", on_crash="destroy")
    guest.ends()
    expect("error: panic: " in guest.console(), "its last words are lost")


def test_on_crash_restart_starts_it_again(box):
    guest = crash(box, "fault-null", on_crash="restart")
    guest.has_new_domid()
