# SPDX-License-Identifier: MIT
"""File systems on disks: tests/images/{files,posixtest} against xen-blkback, and
what dom0's own tools say of the same disks."""

import hashlib
import os
import re
import tempfile
import zlib

from rig import BUILD, END, ROOT, equal, expect, run, soak
from test_disk import disk, image, vbd
from test_files import image as erofs_image
from test_files import outcome
from test_posix import result

SECONDS = 150

MIB = 16
MOUNT = "mount=xvda:littlefs:/"
VBDS = "/sys/bus/xen-backend/drivers/vbd"

# What `posixtest write` leaves: name, seed, bytes (tests/images/posixtest).
TREE = {"empty": (0, 0), "sub/moved": (1, 10), "block": (2, 1000),
        "large": (3, 300000)}


def content(seed, size):
    return bytes((at * 7 + at // 251 + seed) & 255 for at in range(size))


def start(box, args, path, mount=MOUNT + ":rw", access="rw", app="posixtest"):
    return box.create(app, memory=16, disk=[disk(path, access=access)],
                      on_crash="destroy",
                      cmdline=f'args="{args}" {mount}' if args else mount)


def posix(box, args, path, status=0, **keys):
    """Run posixtest to its end; returns what it said."""
    return result(start(box, args, path, **keys), status)


def tool():
    """tools/littlefs, as one static program."""
    run(["make", "-s", "-C", ROOT, "build/host/littlefs"], within=300)
    return os.path.join(BUILD, "host", "littlefs")


def littlefs(box, words):
    """The same, in dom0."""
    return box.sh(f"{box.put(tool())} {words}")


def new(box, mib=MIB):
    """An empty littlefs that dom0 has made."""
    path = image(box, mib=mib)
    littlefs(box, f"make {path}")
    return path


# --- what one side writes the other reads -------------------------------------

def test_what_a_guest_writes_dom0_reads(box):
    path = image(box, mib=MIB)
    text = posix(box, "write /", path, mount=MOUNT + ":new")
    expect("a new littlefs" in text, "it is not new")
    littlefs(box, f"check {path}")
    for name, (seed, size) in TREE.items():
        seen = littlefs(box, f"cat {path} /{name} | md5sum").split()[0]
        equal(seen, hashlib.md5(content(seed, size)).hexdigest(), name)


def checked_tree(folder):
    """Files with a list of their sums, as tests/images/files.c reads it."""
    lines = []
    for number, size in enumerate((0, 1, 4095, 4096, 4097, 200000)):
        name = f"d{number % 2}/file{number}"
        os.makedirs(os.path.join(folder, os.path.dirname(name)), exist_ok=True)
        data = content(number, size)
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
        lines.append(f"{zlib.crc32(data):08x} {size} /{name}\n")
    with open(os.path.join(folder, "CHECKSUMS"), "w") as file:
        file.writelines(lines)
    return len(lines)


def test_what_dom0_writes_a_guest_reads(box):
    with tempfile.TemporaryDirectory() as folder:
        tree = os.path.join(folder, "tree")
        count = checked_tree(tree)
        local = os.path.join(folder, "made.littlefs")
        run([tool(), "make", local, tree, "--size", "4M"])
        path = box.put(local)
    good, bad = outcome(start(box, "", path, mount=MOUNT + ":ro", access="ro",
                              app="files"))
    expect(good >= count and not bad, f"{good} good steps, {bad} bad ones")


def test_an_erofs_image_on_a_disk_is_as_it_was(box):
    for name in ("plain", "lz4", "packed"):
        path = box.put(erofs_image(name))
        guest = start(box, "", path, mount="mount=xvda:erofs:/", access="ro",
                      app="files")
        good, bad = outcome(guest)
        expect(good > 1000 and not bad, f"{good} good steps, {bad} bad ones")


# --- bad disks ----------------------------------------------------------------

def refuses(box, path, reason, **keys):
    text = posix(box, "read /", path, status=1, **keys)
    expect(re.search(reason, text), f"no reason: {reason}")


def test_a_disk_without_a_file_system_is_named(box):
    refuses(box, image(box), "xvda: there is no littlefs on it")
    refuses(box, image(box), "xvda: cannot mount it as erofs",
            mount="mount=xvda:erofs:/")


def test_what_is_on_a_disk_is_not_overwritten(box):
    path = image(box)
    box.sh(f"echo precious | dd of={path} bs=1 seek=100000 conv=notrunc")
    before = box.sh(f"md5sum {path}")
    refuses(box, path, "there is something on it, so no littlefs is made",
            mount=MOUNT + ":new")
    equal(box.sh(f"md5sum {path}"), before, "the disk's contents")


def test_a_disk_that_was_cut_off_is_named(box):
    path = new(box)
    box.sh(f"truncate -s {MIB // 2}M {path}")
    refuses(box, path, "littlefs is larger than the disk: was it cut off")


def test_a_corrupt_disk_is_an_error_and_no_crash(box):
    path = new(box)
    posix(box, "write /", path)
    # Both superblocks hold; of what follows nothing does.
    box.sh(f"yes | dd of={path} bs=4096 seek=2 count={MIB * 256 - 2} "
           "iflag=fullblock conv=notrunc 2>/dev/null")
    guest = start(box, "read /", path)
    guest.says(END)
    expect("xvda: littlefs is corrupt" in guest.console(), "it was not noticed")


def test_read_only_media_are_read(box):
    path = new(box)
    posix(box, "write /", path)
    text = posix(box, "read /", path, mount=MOUNT, access="ro")
    expect("tree: 2 directories, 5 files" in text, "another tree")
    refuses(box, path, "it is read-only, and / is to be rw", access="ro")


def test_a_full_disk_is_told_and_loses_nothing(box):
    path = new(box, mib=2)
    text = posix(box, "fill /", path)
    filled = int(re.search(r"filled: (\d+) bytes", text)[1])
    expect(filled > 1.5 * 2 ** 20, f"only {filled} bytes fit")
    littlefs(box, f"check {path}")
    seen = littlefs(box, f"cat {path} /before | md5sum").split()[0]
    equal(seen, hashlib.md5(content(5, 5000)).hexdigest(),
          "what was there before")
    equal(littlefs(box, f"cat {path} /filler | wc -c").strip(), str(filled),
          "bytes of the file that filled it")


# --- a journal, and what may happen to it -------------------------------------

def safe(guest):
    """What the journal has promised so far: records, generation."""
    text = guest.console()
    records = re.findall(r"^safe: (\d+) records$", text, re.M)
    generations = re.findall(r"^safe: generation (\d+)$", text, re.M)
    return (int(records[-1]) if records else 0,
            int(generations[-1]) if generations else 0)


def recovers(box, path, promised):
    littlefs(box, f"check {path}")
    posix(box, "recover / {} {}".format(*promised), path)


# In dom0, or it would take hours: $1 the guest's cfg, $2 its name, $3 its
# console log, $4 the first turn's number, $5 how many. Another moment each time.
# Prints the last promises.
KILL = r"""
cfg=$1 name=$2 log=$3 first=$4 turns=$5 end=$((SECONDS + 600))
for ((turn = first; turn < first + turns; turn++)); do
    : >"$log"
    xl create -q "$cfg" || exit 1
    until [ "$(grep -ac '^safe: ' "$log")" -gt $((7 * turn % 23)) ]; do
        sleep 0.05
        ((SECONDS < end)) || { cat "$log"; exit 1; }
    done
    xl destroy "$name"
    grep -a '^safe: ' "$log" >>/root/promised
done
for what in records generation; do
    grep -a $what /root/promised | tail -n 1 | tr -cd 0-9; echo
done
"""
TURNS = 10              # between two looks at what is there


def pull_the_plug(box, times):
    path = new(box, mib=64)
    box.sh("cat >/root/kill; rm -f /root/promised", stdin=KILL.encode())
    guest = start(box, "journal /", path)
    guest.says("^safe: generation")
    guest.xl("destroy")
    for first in range(0, times, TURNS):
        turns = min(TURNS, times - first)
        out = box.sh(f"bash /root/kill /root/{guest.name}.cfg {guest.name} "
                     f"{guest.log} {first} {turns}", within=600)
        promised = [int(number) for number in out.split()]
        recovers(box, path, promised)
    expect(promised[0] > 20 * times, f"only {promised[0]} records")


def test_what_was_synced_is_there_after_destroy(box):
    pull_the_plug(box, 3)


@soak
def test_what_was_synced_is_there_after_200_times(box):
    pull_the_plug(box, 200)


def test_a_backend_that_vanishes_while_files_are_written(box):
    path = new(box)
    guest = start(box, "journal /", path)
    guest.says("^safe: ", times=3)
    for times in range(2, 4):
        box.sh(f"echo {vbd(guest)} >{VBDS}/unbind; sleep 0.5; "
               f"echo {vbd(guest)} >{VBDS}/bind")
        guest.says("xvda: up", times=times)
        guest.says("^safe: ", times=10 * times)
    expect("failed:" not in guest.console(), "a write has failed")
    guest.xl("shutdown")
    guest.says(END)
    recovers(box, path, safe(guest))


def test_a_disk_that_fails_is_told_and_tried_again(box):
    """Its file lies where there is no room for it, and then there is."""
    box.sh("mkdir -p /run/small; mount -t tmpfs -o size=1m none /run/small; "
           "truncate -s 16M /run/small/disk.img")
    try:
        guest = start(box, "journal /", "/run/small/disk.img",
                      mount=MOUNT + ":new")
        guest.says("^failed: errno 5", within=120)
        box.sh("mount -o remount,size=20m /run/small")
        count = guest.console().count("safe: ")
        guest.says("^safe: ", times=count + 5)
        guest.xl("destroy")
        recovers(box, "/run/small/disk.img", safe(guest))
    finally:
        box.end_test()
        box.sh("umount -l /run/small")
