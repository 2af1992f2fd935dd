# SPDX-License-Identifier: MIT
"""The web server with files, apps/web, asked by curl: the same site from a
ramdisk and from a disk, and a file larger than the guest."""

import hashlib
import os
import re
import tempfile

import web
from rig import STATIC_IP, equal, expect, run
from test_disk import disk
from test_files import image as erofs_image

SECONDS = 60

MEMORY = 12             # MB, of the guest
LARGE_MIB = 3 * MEMORY


def start(box, cmdline="", **keys):
    guest = box.create("web", memory=MEMORY, vif=["bridge=xenbr0"],
                       cmdline=f"{web.ON_XENBR0} {cmdline}", **keys)
    guest.says(f"http: http://{re.escape(STATIC_IP)}/")
    guest.says("fs: .*: erofs at /")
    return guest


def header(head, name):
    match = re.search(rf"^{name}: *(.*?)\r?$", head, re.M | re.I)
    return match[1] if match else None


def head_of(box, path, *arguments):
    return web.curl(box, "-D", "-", "-o", "/dev/null", *arguments, path=path)


# --- one site, twice ----------------------------------------------------------

def check_folders(box):
    equal(web.curl(box), "<h1>Home</h1>\n", "index.html")
    equal(web.curl(box, path="/docs/"), "docs", "docs/index.html")
    expect((header(head_of(box, "/docs"), "location") or "").endswith("/docs/"),
           "/docs does not lead to /docs/")
    listed = web.curl(box, path="/names/")
    expect("a b" in listed and ".hidden" not in listed, "another list")
    equal(web.status(box, path="/.secret"), 404, "status of a hidden file")
    equal(web.curl(box, path="/none"), "lost\n", "404.html")
    equal(web.status(box, path="/none"), 404, "its status")
    equal(web.status(box, path="/loop"), 404, "status of a link to itself")


def check_ranges(box):
    whole = "page as it is"
    for asked, start_at, end in (("0-3", 0, 4), ("5-", 5, 13), ("-5", 8, 13),
                                 ("0-999", 0, 13)):
        equal(web.curl(box, "-r", asked, path="/page.html"),
              whole[start_at:end], f"bytes {asked}")
        equal(web.status(box, "-r", asked, path="/page.html"), 206, asked)
    equal(web.status(box, "-r", "13-", path="/page.html"), 416, "past the end")
    equal(header(head_of(box, "/page.html", "-r", "2-5"), "content-range"),
          "bytes 2-5/13", "content-range")


def check_conditions(box):
    head = head_of(box, "/page.html")
    date, etag = header(head, "last-modified"), header(head, "etag")
    for name, value, expected in (
            ("If-Modified-Since", date, 304),
            ("If-Modified-Since", "Sat, 01 Jan 2000 00:00:00 GMT", 200),
            ("If-Unmodified-Since", "Sat, 01 Jan 2000 00:00:00 GMT", 412),
            ("If-None-Match", etag, 304), ("If-None-Match", '"x"', 200),
            ("If-Match", '"x"', 412)):
        equal(web.status(box, "-H", f"{name}: {value}", path="/page.html"),
              expected, f"{name}: {value}")
    equal(web.status(box, "-r", "0-3", "-H", 'If-Range: "x"',
                     path="/page.html"), 200, "If-Range of another version")


def check_codings(box):
    for coding in ("br", "zstd", "gzip"):
        accept = f"Accept-Encoding: {coding}"
        equal(web.curl(box, "-H", accept, path="/page.html"),
              f"page in {coding}", coding)
        head = head_of(box, "/page.html", "-H", accept)
        equal(header(head, "content-encoding"), coding, "content-encoding")
        expect("accept-encoding" in (header(head, "vary") or "").lower(),
               "no Vary")
    equal(web.curl(box, "-H", "Accept-Encoding: gzip", path="/picture.png"),
          "PNG", "what is compressed already")


def check_site(box):
    check_folders(box)
    check_ranges(box)
    check_conditions(box)
    check_codings(box)


def test_a_site_from_a_ramdisk(box):
    start(box, ramdisk=box.put(erofs_image("site")))
    check_site(box)


def test_a_site_from_a_disk(box):
    start(box, "mount=xvda:erofs:/",
          disk=[disk(box.put(erofs_image("site")), access="ro")])
    check_site(box)


# --- large files --------------------------------------------------------------

def large_file(folder):
    """No two of its blocks are alike."""
    path = os.path.join(folder, "large.bin")
    with open(path, "wb") as file:
        for number in range(LARGE_MIB * 256):
            file.write(hashlib.sha256(number.to_bytes(8, "little")).digest()
                       * 128)
    return path


def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.md5(file.read()).hexdigest()


def test_a_file_larger_than_the_guest(box):
    with tempfile.TemporaryDirectory() as folder:
        tree = os.path.join(folder, "tree")
        os.mkdir(tree)
        right = digest_of(large_file(tree))
        image = os.path.join(folder, "large.erofs")
        run(["mkfs.erofs", "--quiet", image, tree])
        path = box.put(image)
        start(box, "mount=xvda:erofs:/", disk=[disk(path, access="ro")])
        web.curl(box, "-o", "/dev/null", "-r", "0-999999", path="/large.bin")
        before = web.metrics(box)["xenolith_memory_used_bytes"]
        got = os.path.join(folder, "got")
        for _ in range(2):
            web.curl(box, "-o", got, path="/large.bin", within=120)
            equal(digest_of(got), right, "its md5")
        web.settles(box, "xenolith_memory_used_bytes", before + (256 << 10))
        equal(web.metrics(box)["xenolith_files_failed_total"], 0, "failures")


def test_a_disk_that_goes_and_comes_back(box):
    path = box.put(erofs_image("site"))
    guest = start(box, "mount=xvda:erofs:/ cache=0",
                  disk=[disk(path, access="ro")])
    equal(web.status(box), 200, "status before")
    driver = "/sys/bus/xen-backend/drivers/vbd"
    vbd = f"vbd-{guest.domid}-51712"
    box.sh(f"echo {vbd} >{driver}/unbind; sleep 0.5; echo {vbd} >{driver}/bind")
    guest.says("xvda: up", times=2)
    equal(web.curl(box), "<h1>Home</h1>\n", "index.html")


# --- disks that come and go ----------------------------------------------------

def test_a_site_on_a_disk_that_is_attached_later(box):
    guest = box.create("web", memory=MEMORY, vif=["bridge=xenbr0"],
                       cmdline=f"{web.ON_XENBR0} mount=xvda:erofs:/")
    guest.says("web: no files: every answer is 503")
    guest.says(f"http: http://{re.escape(STATIC_IP)}/")
    equal(web.status(box), 503, "status without the disk")
    site, other = box.put(erofs_image("site")), "/run/other.img"
    box.sh(f"rm -f {other}; dd if=/dev/zero of={other} bs=1M count=1")
    guest.xl("block-attach", disk(other, "xvdb"))
    guest.says("disk: xvdb: attached, and nobody here has a use for it")
    guest.xl("block-attach", disk(site, access="ro"))
    guest.says("web: serving the files of /")
    equal(web.curl(box), "<h1>Home</h1>\n", "index.html")
    guest.xl("block-detach", "xvdb")
    equal(box.sh(f"xenstore-exists /local/domain/{guest.domid}/device/vbd/51728"
                 " && echo still there; true").strip(), "", "xvdb")
    equal(web.curl(box), "<h1>Home</h1>\n", "index.html, afterwards")
