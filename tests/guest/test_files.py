# SPDX-License-Identifier: MIT
"""File systems from ramdisk=: tests/images/files.c on images, good and bad."""

import os
import re
import tempfile

from rig import BUILD, ROOT, equal, expect, run

SECONDS = 40

MAKER = os.path.join(ROOT, "tests", "unit", "images")
IMAGES = os.path.join(BUILD, "guest-images")
MANY = 1000             # there are some more files than that in each


def image(name):
    """One of MAKER's images, made when there is none that is newer."""
    path = os.path.join(IMAGES, f"{name}.erofs")
    if (not os.path.exists(path)
            or os.path.getmtime(path) < os.path.getmtime(MAKER)):
        run([MAKER, IMAGES])
    return path


def start(box, path):
    return box.create("files", memory=8, ramdisk=box.put(path))


def start_spoiled(box, name, spoil):
    """The same with an image that spoil() was given and returns."""
    with open(image(name), "rb") as file:
        content = spoil(file.read())
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"spoiled-{box.count}.erofs")
        with open(path, "wb") as file:
            file.write(content)
        return start(box, path)


def outcome(guest):
    """How many steps were good and bad, as it sums them up: a console that is
    read slowly may miss some lines. It ends, and not by a crash."""
    guest.says(r"^# [0-9]+ failed, ")
    guest.ends()
    steps, bad = re.search(r"^1\.\.(\d+)\s+# (\d+) failed", guest.console(),
                           re.M).groups()
    return int(steps) - int(bad), int(bad)


def reads_all(box, name):
    guest = start(box, image(name))
    good, bad = outcome(guest)
    expect(good > MANY and not bad, f"{good} good steps, {bad} bad ones")
    for entry in ("hello.txt", "sub/", "many/"):
        expect(re.search(f"^# /{entry}$", guest.console(), re.M), entry)


def test_every_file_of_a_plain_image_is_as_it_was(box):
    reads_all(box, "plain")


def test_every_file_of_an_lz4_image_is_as_it_was(box):
    reads_all(box, "lz4")


def test_without_a_ramdisk_there_is_nothing_to_read(box):
    guest = box.create("files", memory=8)
    guest.says("^not ok 1 - mount")
    equal(outcome(guest)[0], 0, "good steps")


def test_a_ramdisk_that_is_asked_for_and_not_there_is_named(box):
    guest = box.create("files", memory=8, cmdline="mount=ramdisk:erofs:/")
    guest.says("error: fs: there is no ramdisk: the cfg names none")
    guest.ends()


def test_what_is_no_file_system_is_named(box):
    guest = start_spoiled(box, "plain", lambda content: bytes(1 << 20))
    guest.says("error: fs: ramdisk: cannot mount it as erofs")
    equal(outcome(guest)[0], 0, "good steps")


def test_half_an_image_is_read_as_far_as_it_goes(box):
    guest = start_spoiled(box, "plain",
                          lambda content: content[:len(content) // 2])
    guest.says("^not ok .* # error -[0-9]+")
    good, bad = outcome(guest)
    expect(good > 0 and bad > 0, f"{good} good steps, {bad} bad ones")


def test_an_image_with_spoiled_data_is_told_by_its_files(box):
    def spoil(content):
        middle = len(content) // 2
        return content[:middle] + b"\xff" * 4096 + content[middle + 4096:]

    guest = start_spoiled(box, "lz4", spoil)
    good, bad = outcome(guest)
    expect(bad, "nobody noticed")
    expect(good > MANY // 2, f"only {good} good steps")
