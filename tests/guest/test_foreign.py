# SPDX-License-Identifier: MIT
"""Programs of others, built out of tree by an installed xenolith-cc and without
a change to their code (tests/foreign/build): they serve."""

import os
import shutil
import subprocess
import tempfile

from rig import (BUILD, DHCP_IP, DOM0_IP, ROOT, STATIC_IP, Failure, equal,
                 expect)

SECONDS = 100

FOREIGN = os.path.join(BUILD, "foreign")
SOURCES = os.path.join(BUILD, "third_party", "src")
HERE = os.path.join(ROOT, "tests", "foreign")
VIF = ["bridge=xenbr0"]
CMDLINE = f"vif0.ip={STATIC_IP}/24 vif0.gw=10.0.2.2"

PAGE = "<p>a page of a ramdisk\n"
LARGE = "".join(f"line {number}\n" for number in range(50_000))


def build(box):
    """`make foreign`, once; it says itself what went wrong."""
    if getattr(box, "has_foreign", False):
        return
    made = subprocess.run(["make", "-C", ROOT, "--no-print-directory",
                           "foreign"], text=True, capture_output=True,
                          check=False)
    if made.returncode:
        raise Failure(made.stdout[-2000:] + made.stderr[-4000:])
    box.has_foreign = True


def ramdisk(box, name, files):
    """An EROFS image of files: {path: text, or a file to copy}."""
    with tempfile.TemporaryDirectory() as folder:
        tree = os.path.join(folder, "tree")
        for path, content in files.items():
            path = os.path.join(tree, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if os.path.exists(content):
                shutil.copy(content, path)
            else:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(content)
        image = os.path.join(folder, f"foreign-{name}.erofs")
        subprocess.run(["mkfs.erofs", "--quiet", image, tree], check=True,
                       stdout=subprocess.DEVNULL)
        return box.put(image)


def start(box, name, args, **keys):
    build(box)
    return box.create(f"foreign/{name}", memory=32, on_crash="destroy",
                      vif=VIF, cmdline=f'args="{args}" {CMDLINE}', **keys)


def get(box, path, *options, within=60):
    """What curl, on this machine, gets of the guest's port 80."""
    port = box.ports[f"{STATIC_IP}:80"]
    done = subprocess.run(
        ["curl", "-sS", "--retry", "30", "--retry-delay", "1",
         "--retry-all-errors", "-m", "30", *options,
         f"http://127.0.0.1:{port}{path}"],
        capture_output=True, text=True, timeout=within + 90, check=False)
    if done.returncode:
        raise Failure(f"curl {path}: {done.stderr}")
    return done.stdout


def test_lighttpd_serves_files(box):
    guest = start(box, "lighttpd", "-D -f /lighttpd.conf", ramdisk=ramdisk(
        box, "lighttpd", {
            "lighttpd.conf": os.path.join(HERE, "lighttpd", "lighttpd.conf"),
            "www/index.html": PAGE, "www/large.txt": LARGE}))
    guest.says("server started", within=60)
    equal(get(box, "/"), PAGE, "the page")
    equal(get(box, "/large.txt"), LARGE, "a file of some segments")
    equal(get(box, "/large.txt", "-r", "7-13"), LARGE[7:14], "a range")
    expect("404" in get(box, "/absent", "-w", "%{http_code}"), "no 404")
    expect("lighttpd/1.4" in get(box, "/server-status", "-D", "-"),
           "another server")
    guest.xl("shutdown")
    guest.says("powering off")


def test_pen_passes_connections_on(box):
    """Two servers behind it: the image http, and nobody."""
    server = box.create("http", memory=8, vif=VIF,
                        cmdline="vif0.ip=10.0.2.21/24")
    server.says("listening|serving|ready|port 80")
    start(box, "pen", "-f -r 80 10.0.2.22:80 10.0.2.21:80")
    with open(os.path.join(ROOT, "apps/http/www/index.html"),
              encoding="utf-8") as file:
        page = file.read()
    for _ in range(5):
        equal(get(box, "/"), page, "the page behind pen")


def lua_files():
    folder = os.path.join(SOURCES, "test-luasocket", "src")
    files = {"server.lua": os.path.join(HERE, "lua", "server.lua")}
    for name in ("socket", "ltn12", "mime"):
        files[f"{name}.lua"] = os.path.join(folder, f"{name}.lua")
    for name in ("http", "url", "headers"):
        files[f"socket/{name}.lua"] = os.path.join(folder, f"{name}.lua")
    return files


def test_lua_serves_and_fetches_with_luasocket(box):
    build(box)
    server = box.create("http", memory=8, vif=VIF,
                        cmdline="vif0.ip=10.0.2.21/24")
    guest = start(box, "lua", "/server.lua",
                  ramdisk=ramdisk(box, "lua", lua_files()))
    guest.says("serving on port 80, LuaSocket 3")
    equal(get(box, "/some/path"), "you asked for /some/path\n", "the answer")
    server.says("listening|serving|ready|port 80")
    fetched = get(box, "/fetch?http%3A//10.0.2.21/")
    expect(fetched.startswith("200\n<!doctype html>".lower())
           or fetched.lower().startswith("200\n<!doctype html>"),
           f"fetched: {fetched[:200]}")


def test_xl_reads_the_examples(box):
    """Each example's cfg, with its files as `make` there leaves them."""
    folder = os.path.join(ROOT, "examples")
    names = sorted(os.listdir(folder))
    equal(len([name for name in names if name != "README.md"]), 5, "examples")
    for name in names:
        cfg = os.path.join(folder, name, f"{name}.cfg")
        if not os.path.exists(cfg):
            continue
        remote = box.put(cfg)
        box.sh(f"cd /root && touch web.elf kv.elf site.erofs kv.img "
               f"{name}.elf && xl create -n {remote}")
