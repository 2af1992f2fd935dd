# SPDX-License-Identifier: MIT
"""Lua: apps/lua with scripts in a ramdisk, and a littlefs disk to write to.

The scripts of lua/ check every library. Lua's own tests are run as far as
Debian has them, which is those of Lua 5.1 (third_party/manifest). Who has those
of 5.4 (lua-5.4.7-tests.tar.gz of lua.org, unpacked) names their folder:

    LUA_TESTS=/path/to/lua-5.4.7-tests tests/guest/run 'lua: '
"""

import os
import re
import shutil
import subprocess
import tempfile

from rig import BUILD, END, HERE, ROOT, Failure, equal, expect

SECONDS = 90

SCRIPTS = os.path.join(HERE, "lua")
TESTS_51 = os.path.join(BUILD, "third_party", "src", "luatests")
TESTS_54 = os.environ.get("LUA_TESTS")
LITTLEFS = os.path.join(BUILD, "host", "littlefs")

# Of Lua 5.1's tests: what 5.4 does the same way. The others test what there is
# no more: setfenv and getfenv (closure, events, locals), module (attrib), `arg`
# in functions with `...` (vararg), table.foreach (nextvar), messages and traces
# as they were (db, errors). api, code and checktable need Lua's internal
# library for tests; main starts other programs; big waits until strings of
# 4 GB are no memory, gc until as much garbage is collected as 5.1 collected.
FILES_51 = ["calls", "constructs", "files", "literals", "math", "pm", "sort",
            "strings", "verybig"]

# Of Lua 5.4's tests, with _port and _soft, these do not run here:
SKIPPED_54 = {
    "all": "runs the others",
    "main": "starts the interpreter as a program, again and again",
    "heavy": "fills more memory than a test may have",
    "packtests": "makes the tarball",
    "tracegc": "is a part of others",
}


# --- images -------------------------------------------------------------------

def ramdisk(box, name, *folders):
    """An EROFS image of what is in these folders, in dom0; made once."""
    image = os.path.join(tempfile.gettempdir(),
                         f"lua-{os.getpid()}-{name}.erofs")
    if image in box.put_files:
        return f"/root/{os.path.basename(image)}"
    with tempfile.TemporaryDirectory() as tree:
        for folder in folders:
            shutil.copytree(folder, tree, dirs_exist_ok=True)
        subprocess.run(["mkfs.erofs", "--quiet", image, tree], check=True,
                       stdout=subprocess.DEVNULL)
    try:
        return box.put(image)
    finally:
        os.unlink(image)


def disk(box, mib=16):
    """An empty littlefs disk in dom0's memory."""
    tool = box.put(LITTLEFS)
    box.sh(f"rm -f /run/lua.img; {tool} make /run/lua.img --size {mib}M")
    return "format=raw,vdev=xvda,access=rw,target=/run/lua.img"


# --- running ------------------------------------------------------------------

def start(box, args, *, memory=32, cmdline="", **keys):
    return box.create("lua", memory=memory, on_crash="destroy",
                      cmdline=f'args="{args}" {cmdline}', **keys)


def result(guest, status=0, within=120):
    """Wait for its end; returns what it said."""
    guest.says(END, within=within)
    text = guest.console()
    bad = [line for line in text.splitlines() if line.startswith("not ok")]
    if bad:
        raise Failure("\n".join(bad))
    failed = re.search(r"failed with status (\d+)$", text, re.M)
    equal(int(failed[1]) if failed else 0, status, "status")
    return text


def script(box, args, *, status=0, **keys):
    """Run one of lua/ to its end."""
    keys.setdefault("ramdisk", ramdisk(box, "scripts", SCRIPTS))
    return result(start(box, args, **keys), status)


def one_script(box, name, text):
    """A ramdisk with /NAME.lua."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, f"{name}.lua"), "w",
                  encoding="ascii") as file:
            file.write(text)
        return ramdisk(box, f"{name}{box.count}", folder)


def broken(box, text):
    return one_script(box, "broken", text)


# --- the libraries ------------------------------------------------------------

def test_the_language_is_whole(box):
    expect("ok - language: " in script(box, "/language.lua"), "no verdict")


def test_strings_tables_and_numbers_are_right(box):
    expect("ok - libraries: " in script(box, "/libraries.lua"), "no verdict")


def test_files_are_written_and_modules_found(box):
    text = script(box, "/disk.lua /tmp", disk=[disk(box)],
                  cmdline='mount=ramdisk:erofs:/,xvda:littlefs:/tmp '
                  'env.GREETING="good day"')
    expect("ok - disk: " in text, "no verdict")
    for call in ("popen", "system"):
        equal(len(re.findall(rf"libc: {call}\(\) is not provided", text)), 1,
              f"lines about {call}")
    tool = box.put(LITTLEFS)
    box.sh(f"{tool} check /run/lua.img")
    equal(box.sh(f"{tool} cat /run/lua.img left"), "for dom0 to read\n",
          "what dom0 reads")


def test_luas_own_tests_of_5_1_pass(box):
    files = " ".join(f"{name}.lua" for name in FILES_51)
    text = script(box, f"/upstream.lua 5.1 {files}", disk=[disk(box)],
                  memory=64, ramdisk=ramdisk(box, "5.1", TESTS_51, SCRIPTS),
                  cmdline="mount=ramdisk:erofs:/,xvda:littlefs:/tmp")
    equal(re.findall(r"^ok - (\w+)\.lua", text, re.M), FILES_51, "files")


def test_luas_own_tests_of_5_4_pass(box):
    if not TESTS_54:
        return "skipped: LUA_TESTS names no folder"
    names = [name[:-len(".lua")] for name in sorted(os.listdir(TESTS_54))
             if name.endswith(".lua")]
    names = [name for name in names if name not in SKIPPED_54]
    tool = box.put(LITTLEFS)
    with tempfile.TemporaryDirectory() as folder:
        tree, image = os.path.join(folder, "tree"), os.path.join(folder, "img")
        shutil.copytree(TESTS_54, tree)
        for name in ("tmp", "libs/P1"):
            os.makedirs(os.path.join(tree, name), exist_ok=True)
        subprocess.run([LITTLEFS, "make", image, tree, "--size", "64M"],
                       check=True)
        box.xenbox("put", image, "/run/lua-5.4.img")
    for name in names:
        box.sh("cp /run/lua-5.4.img /run/lua.img")
        result(start(box, f"-e _port=true;_soft=true;_nomsg=true {name}.lua",
                     memory=192, cmdline="mount=xvda:littlefs:/ env.PATH=/",
                     disk=["format=raw,vdev=xvda,access=rw,"
                           "target=/run/lua.img"]), within=300)
        box.sh(f"{tool} check /run/lua.img")
        box.end_test()
    return f"{len(names)} files of {TESTS_54}"


# --- how it is started and ends -----------------------------------------------

def test_a_script_gets_its_arguments(box):
    text = script(box, "/args.lua one two 3", ramdisk=one_script(
        box, "args", "print(#arg, arg[0], arg[-1], ...)"))
    expect("\n3\t/args.lua\tlua\tone\ttwo\t3\n" in text, "others")


def test_a_script_that_is_missing_is_named(box):
    text = script(box, "/absent.lua", status=1)
    expect("lua: cannot open /absent.lua" in text, "no reason")


def test_a_syntax_error_is_told(box):
    text = script(box, "/broken.lua", status=1,
                  ramdisk=broken(box, "print(1)\nx = = 2\n"))
    expect("lua: /broken.lua:2: unexpected symbol near '='" in text,
           "no reason")
    expect("\n1\n" not in text, "it ran")


def test_an_error_that_nobody_catches_ends_it(box):
    text = script(box, "/broken.lua", status=1, ramdisk=broken(
        box, "local function f() error('thrown') end\nf() f()\n"))
    expect("lua: /broken.lua:1: thrown\nstack traceback:\n" in text,
           "no reason")
    expect("in local 'f'" in text, "no trace")


def test_a_status_is_told(box):
    script(box, "-e os.exit(7)", status=7)
    script(box, "-e os.exit(false)", status=1)


def test_an_unknown_option_is_told(box):
    expect("unrecognized option '-x'" in script(box, "-x", status=1),
           "no reason")


def test_a_disk_that_is_full_is_an_error_of_the_script(box):
    text = script(box, "/broken.lua", disk=[disk(box, 1)], ramdisk=broken(
        box, "local f = io.open('/tmp/f', 'w')\n"
        "repeat ok, why, nr = f:write(('x'):rep(65536)) until not ok\n"
        "print('full:', why, nr) f:close() os.remove('/tmp/f')\n"
        "f = io.open('/tmp/g', 'w') print('again:', f:write('x') == f)\n"),
                  cmdline="mount=ramdisk:erofs:/,xvda:littlefs:/tmp")
    expect("full:\tNo space left on device\t28\n" in text, "no reason")
    expect("again:\ttrue\n" in text, "no room when it was removed")


# --- limits -------------------------------------------------------------------

def test_recursion_without_end_is_an_error(box):
    text = script(box, "/recursion.lua", memory=128)
    expect("ok - recursion: " in text, "no verdict")


def test_memory_that_is_not_there_is_an_error(box):
    for memory in (8, 24):
        text = script(box, "/memory.lua uncaught", memory=memory, status=1)
        expect("ok - memory: " in text, "no verdict")
        expect("\nlua: not enough memory\n" in text, "no reason")


# --- typed lines --------------------------------------------------------------

def test_typed_lines_are_run(box):
    guest = start(box, "")
    guest.says("^Lua 5.4")
    guest.types("6 * 7\rfor i = 1, 2 do\rprint('i', i)\rend\r= 'old'\r"
                "error('oops')\rlocal x <const> = 1; x = 2\r"
                "io.read('l') .. '!'\ranswer\ros.exit(3)\r")
    text = result(guest, status=3)
    for line in ("42", "i\t1", "i\t2", "old", "stdin:1: oops", "answer!",
                 "stdin:1: attempt to assign to const variable 'x'"):
        expect(re.search(f"^{re.escape(line)}$", text, re.M),
               f"no line {line!r}")


def test_the_end_of_what_is_typed_ends_it(box):
    guest = start(box, "")
    guest.says("^Lua 5.4")
    guest.types("x = 5\rx\r\4")
    expect(re.search("^5$", result(guest), re.M), "no answer")


def test_xl_shutdown_ends_it(box):
    guest = start(box, "")
    guest.says("^Lua 5.4")
    guest.xl("shutdown")
    result(guest)
