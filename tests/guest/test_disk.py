# SPDX-License-Identifier: MIT
"""Disks: tests/images/disktest.c against Linux's xen-blkback."""

import re

from rig import Failure, equal, expect, soak

SECONDS = 150

MIB = 8


def image(box, name="disk.img", mib=MIB):
    """A file of zeros in dom0's memory."""
    path = f"/run/{name}"
    box.sh(f"rm -f {path}; dd if=/dev/zero of={path} bs=1M count={mib} "
           "2>/dev/null")
    return path


def disk(path, vdev="xvda", access="rw", more=""):
    return f"format=raw,vdev={vdev},access={access}{more},target={path}"


def start(box, disks, **options):
    options = {"mib": MIB, **options}
    words = " ".join(f"disktest.{key}={value}"
                     for key, value in options.items())
    return box.create("disktest", memory=32, disk=disks, cmdline=words)


def passes(guest, within=180):
    """Wait for its end; returns its console."""
    guest.says(r"^1\.\.[0-9]+", within=within)
    text = guest.console()
    bad = re.findall(r"^not ok.*|^# .*error -?\d+$", text, re.M)
    if bad:
        raise Failure("\n".join(bad))
    guest.ends()
    return text


def steady(box, path):
    """A guest that reads and writes until enough() of it."""
    guest = start(box, [disk(path)], mode="steady", seconds=600)
    guest.says("^ok 1 ")
    return guest


def enough(guest):
    guest.xl("sysrq", "e")
    return passes(guest)


def vbd(guest):
    return f"vbd-{guest.domid}-51712"


def test_every_block_is_where_and_as_it_was_written(box):
    text = passes(start(box, [disk(image(box))]))
    expect("flush, discard, persistent" in text, "a feature is missing")
    equal(len(re.findall("^ok ", text, re.M)), 13, "steps")


def test_what_one_guest_wrote_another_reads(box):
    path = image(box)
    passes(start(box, [disk(path)]))
    passes(start(box, [disk(path)], mode="verify", least=1))


def test_a_read_only_disk_is_only_read(box):
    path = image(box)
    passes(start(box, [disk(path)]))
    before = box.sh(f"md5sum {path}")
    text = passes(start(box, [disk(path, access="ro")]))
    expect("read-only" in text, "it is not read-only")
    equal(box.sh(f"md5sum {path}"), before, "the disk's contents")


def without(box, parameters, more=""):
    """The console of a run with xen-blkback loaded anew, with less in it."""
    load = "rmmod xen_blkback; insmod /lib/modules/xen_blkback.ko"
    box.sh(f"{load} {parameters}")
    try:
        return passes(start(box, [disk(image(box), more=more)]))
    finally:
        box.sh(load)


def test_a_backend_without_persistent_grants_will_do(box):
    text = without(box, "feature_persistent=0")
    expect("persistent" not in text, "grants are persistent")


def test_a_backend_with_a_ring_of_one_page_and_no_discard_will_do(box):
    text = without(box, "max_ring_page_order=0", ",no-discard")
    expect("ring of 32" in text, "the ring is larger")
    expect("# SKIP the disk has not what it takes" in text, "it discards")


def test_a_disk_of_3_TiB(box):
    path = image(box)
    box.sh(f"truncate -s 3072G {path}")
    text = passes(start(box, [disk(path)], skip=3 * 1024 * 1024 - MIB))
    expect("3221225472 KiB" in text, "it has another size")
    equal(box.sh(f"head -c {MIB}M {path} | tr -d '\\0' | wc -c"), "0\n",
          "bytes written at its begin")
    last = box.sh(f"tail -c 4096 {path} | od -An -t u8 -N 8 -v").split()
    equal(last, [str(MIB * 256 - 1)], "the number of its last block")


def test_a_disk_with_sectors_of_4_KiB(box):
    loop = box.sh(f"losetup -b 4096 -f --show {image(box)}").strip()
    try:
        text = passes(start(box, [f"phy:{loop},xvda,w"]))
    finally:
        box.sh(f"losetup -d {loop}")
    expect("in sectors of 4096" in text, "the sectors are smaller")


def test_the_third_of_three_disks(box):
    paths = [image(box, f"disk{i}.img") for i in range(3)]
    disks = [disk(path, f"xvd{letter}")
             for path, letter in zip(paths, "abc", strict=True)]
    text = passes(start(box, disks, disk=51744))
    expect("xvdc: up" in text, "it is not xvdc")
    written = [int(box.sh(f"tr -d '\\0' <{path} | wc -c")) > 0
               for path in paths]
    equal(written, [False, False, True], "which disks it has written to")


def test_a_cdrom_is_refused_in_words(box):
    guest = start(box, [disk(image(box), access="ro", more=",devtype=cdrom")])
    guest.says("xvda: not used: it is a cdrom")


def test_a_disk_that_grows_while_it_is_open(box):
    path = image(box)
    guest = steady(box, path)
    box.sh(f"truncate -s {2 * MIB}M {path}; "
           f"losetup -c $(losetup -a | grep {path} | cut -d: -f1)")
    guest.says(f"^# resized: {2 * MIB * 1024} KiB")
    enough(guest)


def test_a_backend_that_vanishes_and_comes_back(box):
    guest = steady(box, image(box))
    driver = "/sys/bus/xen-backend/drivers/vbd"
    for times in range(2, 5):
        box.sh(f"echo {vbd(guest)} >{driver}/unbind; sleep 0.5; "
               f"echo {vbd(guest)} >{driver}/bind")
        guest.says("xvda: up", times=times)
    text = enough(guest)
    expect(" 3 reconnects" in text, "it was not noticed")


def test_a_disk_that_is_detached_and_attached(box):
    path = image(box)
    guest = steady(box, path)
    guest.xl("block-detach", "xvda")
    guest.says("xvda: down")
    guest.xl("block-attach", disk(path))
    guest.says("xvda: up", times=2)
    enough(guest)


def pull_the_plug(box, times):
    """Every acknowledged flush is there after `xl destroy`."""
    path = image(box)
    for _ in range(times):
        guest = start(box, [disk(path)], mode="count")
        guest.says("^flushed", times=3)
        guest.xl("destroy")
        flushed = re.findall(r"^flushed (\d+)$", guest.console(), re.M)
        passes(start(box, [disk(path)], mode="verify", mib=1,
                     least=flushed[-1]))


def test_what_was_flushed_is_there_after_destroy(box):
    pull_the_plug(box, 3)


@soak
def test_what_was_flushed_is_there_after_200_times(box):
    pull_the_plug(box, 200)
