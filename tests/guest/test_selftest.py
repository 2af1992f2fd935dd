# SPDX-License-Identifier: MIT
"""The guest's tests of itself (tests/images/selftest) on a real Xen."""

import re

from rig import Failure, equal, expect

SECONDS = 40


def selftest(box, memory, cmdline=""):
    """Run it; returns its TAP output."""
    guest = box.create("selftest", memory=memory, cmdline=cmdline)
    guest.says("^# [0-9]+ failed", within=120)
    return result(guest)


def result(guest):
    text = guest.console()
    bad = [line for line in text.splitlines() if line.startswith("not ok")]
    if bad:
        raise Failure("\n".join(bad))
    plan = re.search(r"^1\.\.(\d+)$", text, re.M)
    equal(len(re.findall(r"^ok ", text, re.M)), int(plan[1]), "checks")
    return text


def test_all_checks_pass_in_4_MB(box):
    text = selftest(box, 4)
    expect(len(re.findall(r"^ok ", text, re.M)) >= 24, "checks are missing")


def test_all_checks_pass_in_64_MB(box):
    selftest(box, 64, "seed=2")


def test_memory_is_sound_to_the_last_page_of_700_MB(box):
    # More than one range of pages, and large page tables.
    selftest(box, 700, "test=pages,pages-run,malloc")


def test_the_grant_table_grows_to_its_end(box):
    selftest(box, 16, "test=grants-exhaustion")


def test_the_wall_clock_is_right(box):
    seconds = box.sh("date +%s").strip()
    selftest(box, 4, f"test=wall-clock now={seconds}")


def test_random_numbers_differ_between_starts(box):
    numbers = {re.search(r"^# random ([0-9a-f]{8})$",
                         selftest(box, 4, "test=random"), re.M)[1]
               for _ in range(2)}
    equal(len(numbers), 2, "different first numbers")


CHILDREN = 250


def test_a_folder_larger_than_an_answer_is_read(box):
    guest = box.create("selftest", memory=4, cmdline="test=xs-large-folder",
                       paused=True)
    folder = f"/local/domain/{guest.domid}/data/large"
    # All its permissions are inherited from data/, which is the guest's.
    box.sh(f"xenstore-write {folder} {CHILDREN}; for i in $(seq {CHILDREN}); "
           f"do echo {folder}/child-$i-{'x' * 40} 1; done | "
           "xargs -n 50 xenstore-write")
    guest.xl("unpause")
    guest.says("^# [0-9]+ failed")
    result(guest)
