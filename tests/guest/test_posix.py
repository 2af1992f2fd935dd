# SPDX-License-Identifier: MIT
"""Plain C programs (posix/), by tests/images/posixtest on a real Xen."""

import os
import re
import subprocess
import tempfile

from rig import DOM0_IP, END, STATIC_IP, Failure, equal, expect

SECONDS = 60
SIGINT = 2      # newlib's numbers

TREE = {
    "one.txt": b"one\n",
    "sub/two.bin": bytes(range(256)) * 100,
    "sub/deeper/three": b"",
    "n" * 200: b"a long name",
}


def run(box, args, *, memory=16, status=0, within=60, **keys):
    """Run it to its end; returns what it said."""
    guest = start(box, args, memory=memory, **keys)
    return result(guest, status, within)


def start(box, args, *, memory=16, cmdline="", on_crash="destroy", **keys):
    return box.create("posixtest", memory=memory, on_crash=on_crash,
                      cmdline=f'args="{args}" {cmdline}', **keys)


def result(guest, status=0, within=60):
    guest.says(END, within=within)
    text = guest.console()
    bad = [line for line in text.splitlines() if line.startswith("not ok")]
    if bad:
        raise Failure("\n".join(bad))
    failed = re.search(r"failed with status (\d+)$", text, re.M)
    equal(int(failed[1]) if failed else 0, status, "status")
    return text


def ramdisk(box):
    """An EROFS image of TREE, in dom0."""
    with tempfile.TemporaryDirectory() as folder:
        tree = os.path.join(folder, "tree")
        for name, content in TREE.items():
            path = os.path.join(tree, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
        image = os.path.join(folder, "posix.erofs")
        subprocess.run(["mkfs.erofs", "--quiet", image, tree], check=True,
                       stdout=subprocess.DEVNULL)
        return box.put(image)


def test_basics_hold(box):
    text = run(box, "basics")
    expect(len(re.findall("^ok ", text, re.M)) > 25, "checks are missing")


def test_arguments_and_environment_arrive(box):
    text = run(box, "arguments  two words", cmdline="env.GREETING=\"good day\" "
               "env.EMPTY= unheard.of=1")
    equal(re.findall(r"^argument \d+: \[(.*)\]$", text, re.M),
          ["arguments", "two", "words"], "arguments")
    expect("GREETING: [good day]" in text, "a variable is missing")
    expect("EMPTY: []" in text, "an empty variable is missing")
    expect("nobody knows unheard.of=1" in text, "a typing error is not told")
    expect("nobody knows env" not in text, "env is unknown")


def test_an_exit_status_is_told(box):
    text = run(box, "exit 7", status=7)
    expect("not yet flushedat exit\n" in text, "exit() did not flush")


def test_a_failure_is_a_crash_to_the_toolstack(box):
    guest = start(box, "exit 7", on_crash="preserve")
    result(guest, status=7)
    guest.has_state("c")
    guest = start(box, "exit 0", on_crash="preserve", on_poweroff="preserve")
    result(guest)
    guest.has_state("s")
    expect("c" not in guest.state(), "it crashed")


def test_what_is_asked_of_a_machine(box):
    text = run(box, "system")
    for line in ("posixtest: file 1: No such file or directory",
                 "posixtest: file 2"):
        expect(re.search(f"^{line}$", text, re.M), line)
    for line in ("error: daemon: 50% of it: I/O error", "posixtest: a notice"):
        expect(f"] {line}\n" in text, line)
    for line in ("this is not shown", "this neither"):
        expect(line not in text, line)


def test_programs_of_others_find_what_they_ask_for(box):
    """Without a network: an address is a name all the same."""
    text = run(box, "world")
    for call in ("fork", "execve"):
        equal(len(re.findall(rf"libc: {call}\(\) is not provided", text)), 1,
              f"lines about {call}")


def test_err_ends_a_program(box):
    text = run(box, "err", status=3)
    expect("posixtest: the end: Permission denied\n" in text, "no complaint")


def test_a_write_past_a_block_is_told(box):
    guest = start(box, "overflow sixteen-letters")
    guest.says("panic: free: .* past its end was written: it has 15 bytes")


def test_abort_is_a_crash(box):
    guest = start(box, "abort", on_crash="preserve")
    guest.says(r"panic: abort\(\) was called")
    guest.has_state("c")


def test_typed_lines_arrive(box):
    guest = start(box, "lines")
    guest.types("first\rsecund\b\b\bond\r\4")
    text = result(guest)
    equal(re.findall(r"^line: \[(.*)\]$", text, re.M), ["first", "second"],
          "lines")
    expect(re.search("^first$", text, re.M), "no echo")


def test_ctrl_c_ends_a_program(box):
    guest = start(box, "lines")
    guest.types("first\r\3")
    text = result(guest, status=128 + SIGINT)
    expect("^C" in text, "no echo")


def test_xl_shutdown_is_SIGTERM(box):
    guest = start(box, "signals")
    guest.says("^waiting for the end")
    guest.xl("shutdown")
    expect("its handler was called" in result(guest), "no handler")


def test_xl_shutdown_ends_a_program_without_a_handler(box):
    guest = start(box, "signals default")
    guest.says("^waiting for the end")
    guest.xl("shutdown")
    result(guest)


def check_tree(text):
    expect(f"tree: 3 directories, {len(TREE)} files, "
           f"{sum(map(len, TREE.values()))} bytes" in text, "another tree")


def test_files_are_read(box):
    check_tree(run(box, "read /", ramdisk=ramdisk(box)))


def test_files_are_read_in_their_place(box):
    check_tree(run(box, "read /data", ramdisk=ramdisk(box),
                   cmdline="mount=ramdisk:erofs:/data"))


def test_a_disk_that_is_none_ends_the_program(box):
    image = box.put(os.path.join(os.path.dirname(__file__), "rig.py"))
    text = run(box, "read /", status=1, ramdisk=image)
    expect("cannot mount" in text, "no reason")


# --- sockets

STATIC = (f"vif0.ip={STATIC_IP}/24 vif0.gw={DOM0_IP} "
          "vif0.ip6=fd00:2::20/64")
STATIC_IP6 = "fd00:2::20"


def echo(box, how):
    """An echo server; returns what it said in the end."""
    guest = start(box, f"echo {how}", cmdline=STATIC, vif=["bridge=xenbr0"])
    guest.says(f"^echo by {how}")
    yield guest
    guest.xl("shutdown")
    text = result(guest)
    yield re.search(r"served (\d+) connections, (\d+) bytes, (\d+) datagrams",
                    text)


def echo_to_many(box, how):
    steps = echo(box, how)
    next(steps)
    held = [box.start_client("echo", "tcp", address, 7, 100000, 1)
            for address in (STATIC_IP, STATIC_IP6) * 3]
    box.client("echo", "tcp", STATIC_IP, 7, 1000000, 1)
    box.client("echo", "udp", STATIC_IP, 7, 1000, 20)
    box.client("echo", "udp", STATIC_IP6, 7, 1000, 20)
    for client in held:
        client.ends()
    served = next(steps)
    equal((served[1], served[2]), ("7", "1600000"), "connections and bytes")
    expect(int(served[3]) >= 40, "datagrams are missing")


def test_poll_serves_many(box):
    echo_to_many(box, "poll")


def test_select_serves_many(box):
    echo_to_many(box, "select")


def test_calls_that_wait_serve_one_after_the_other(box):
    steps = echo(box, "waiting")
    next(steps)
    for _ in range(3):
        box.client("echo", "tcp", STATIC_IP, 7, 100000, 1)
    box.client("echo", "tcp", STATIC_IP6, 7, 300000, 1)
    equal(next(steps)[2], "600000", "bytes")


def test_socket_errors_are_told(box):
    text = run(box, f"socket-errors {DOM0_IP}", cmdline=STATIC,
               vif=["bridge=xenbr0"])
    expect(len(re.findall("^ok ", text, re.M)) > 15, "checks are missing")


def test_a_program_knows_its_addresses(box):
    text = run(box, "interfaces 4", cmdline=STATIC, vif=["bridge=xenbr0"])
    for address in (STATIC_IP, "fe80::", STATIC_IP6):
        expect(f"vif0 has {address}" in text, f"{address} is missing")


PAGE = "x" * 70 + "\n"


def test_a_name_is_found_and_its_page_got(box):
    box.sh("dnsmasq --conf-file=/dev/null --interface=xenbr1 "
           "--bind-interfaces --no-resolv --no-hosts --pid-file=/run/dns.pid "
           "--dhcp-range=10.0.3.100,10.0.3.200 --dhcp-leasefile=/root/leases "
           "--address=/web.test/10.0.3.10")
    box.sh("cat >/root/answer", stdin=(
        "HTTP/1.0 200 OK\r\n\r\n" + PAGE * 10000).encode())
    box.sh("setsid $(which nc) -l -N 10.0.3.10 8000 </root/answer >/dev/null 2>&1 &")
    try:
        text = run(box, "get web.test 8000", vif=["bridge=xenbr1"])
    finally:
        box.sh("kill $(cat /run/dns.pid)")
    expect("connected to 10.0.3.10" in text, "not connected")
    expect("answer: HTTP/1.0 200 OK" in text, "no answer")
    expect(f"got {19 + 10000 * len(PAGE)} bytes" in text, "another length")


def test_without_a_name_server_that_is_said(box):
    text = run(box, "get web.test 8000", status=1, cmdline=STATIC,
               vif=["bridge=xenbr0"])
    expect("web.test: no name server is known" in text, "no reason")
