# SPDX-License-Identifier: MIT
"""The key-value server, with Redis' own clients, and what is left of it after
its domain was destroyed."""

import os
import re
import socket
import tempfile

from rig import (ROOT, STATIC_IP, Failure, equal, expect, retry, run,
                 soak)

SECONDS = 120

ON_XENBR0 = f"kv.port=80 vif0.ip={STATIC_IP}/24"
MOUNT = "mount=xvda:littlefs:/:new"
FOLDER = "appendonlydir"
MIB = 16
LITTLEFS = os.path.join(ROOT, "tools", "littlefs")


def image(box, name="kv.img", mib=MIB):
    """An empty disk in dom0's memory."""
    path = f"/run/{name}"
    box.sh(f"rm -f {path}; truncate -s {mib}M {path}")
    return path


def start(box, disk=None, options="", memory=16, loads=True):
    keys = {"cmdline": f"{ON_XENBR0} {options}"}
    if disk:
        keys["disk"] = [f"format=raw,vdev=xvda,access=rw,target={disk}"]
        keys["cmdline"] += f" {MOUNT}"
    guest = box.create("kv", memory=memory, vif=["bridge=xenbr0"], **keys)
    guest.says(rf"net: vif0: {STATIC_IP}/24")
    if disk and loads:
        guest.says("kv: [0-9]+ keys from")
    return guest


def in_memory(box):
    """One that many tests use; each begins with an empty one."""
    guest = box.share("kv", start)
    cli(box, "FLUSHALL")
    return guest


def port(box):
    return box.ports[f"{STATIC_IP}:80"]


def cli(box, *words, stdin=None):
    """What redis-cli says; several lines of stdin are several commands."""
    return run(["redis-cli", "-p", str(port(box)), *words],
               stdin=stdin.encode() if stdin else None).out.rstrip("\n")


def info(box, name):
    found = re.search(rf"^{name}:(.*?)\r?$", cli(box, "INFO"), re.M)
    expect(found, f"INFO lacks {name}")
    return found.group(1)


class Raw:
    """A connection without a client's manners."""

    def __init__(self, box, within=30):
        self.socket = socket.create_connection(("127.0.0.1", port(box)),
                                               timeout=within)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, text):
        self.socket.sendall(text.encode())

    def takes(self, answer):
        seen = b""
        while len(seen) < len(answer):
            part = self.socket.recv(65536)
            if not part:
                raise Failure(f"the end after {seen!r}")
            seen += part
        equal(seen.decode(), answer, "answer")


# --- Redis' clients -----------------------------------------------------------

def test_redis_cli_gets_what_redis_says(box):
    in_memory(box)
    out = cli(box, stdin="SET k v\nGET k\nINCR n\nAPPEND k w\nTTL k\nEXPIRE k "
              "100\nTTL k\nMGET k n none\nDEL k n\nTYPE k\nGET\nNOPE a\n")
    equal(out.splitlines(),
          ["OK", "v", "1", "2", "-1", "1", "100", "vw", "1", "", "2", "none",
           "ERR wrong number of arguments for 'get' command", "",
           "ERR unknown command 'NOPE', with args beginning with: 'a' "],
          "answers")


def test_redis_cli_finds_its_way(box):
    in_memory(box)
    for number in range(30):
        cli(box, "SET", f"key:{number}", "x" * number)
    equal(len(cli(box, "--scan", "--pattern", "key:*").split()), 30, "--scan")
    expect("key:29" in cli(box, "--bigkeys"), "--bigkeys finds no biggest")
    equal(cli(box, "-3", "PING"), "PONG", "after HELLO 3 was refused")


def bulk(*words):
    """A request as redis-py packs it."""
    return f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n"
                                         for word in words)


def test_a_pipeline_is_a_transaction(box):
    """What redis-py's pipeline() sends by default, in one piece."""
    in_memory(box)
    with Raw(box) as client, Raw(box) as other:
        client.send(bulk("MULTI") + bulk("SET", "k", "1") + bulk("INCR", "k")
                    + bulk("GET", "k") + bulk("EXEC"))
        client.takes("+OK\r\n" + "+QUEUED\r\n" * 3 +
                     "*3\r\n+OK\r\n:2\r\n$1\r\n2\r\n")
        client.send(bulk("WATCH", "k"))
        client.takes("+OK\r\n")
        other.send(bulk("SET", "k", "9"))
        other.takes("+OK\r\n")
        client.send(bulk("MULTI") + bulk("INCR", "k") + bulk("EXEC"))
        client.takes("+OK\r\n+QUEUED\r\n*-1\r\n")
    equal(cli(box, "GET", "k"), "9", "after the transaction that was not done")
    out = cli(box, stdin="MULTI\nINCR k\nRENAME k l\nEXEC\nGET l\n")
    equal(out.split(), ["OK", "QUEUED", "QUEUED", "10", "OK", "10"],
          "redis-cli's")


def test_who_does_not_know_the_password_is_not_served(box):
    guest = box.create("kv", memory=8, vif=["bridge=xenbr0"],
                       cmdline=f"{ON_XENBR0} kv.password=secret")
    guest.says(rf"net: vif0: {STATIC_IP}/24")
    equal(cli(box, "GET", "k"), "NOAUTH Authentication required.", "stranger")
    equal(cli(box, "-a", "secret", "--no-auth-warning", "SET", "k", "v"), "OK",
          "friend")
    out = cli(box, "-a", "secret", "--no-auth-warning", "CLIENT", "LIST")
    expect(f"laddr={STATIC_IP}:80 " in out, f"CLIENT LIST: {out}")


def test_redis_benchmark_runs(box):
    in_memory(box)
    for pipeline in ("1", "16"):
        out = run(["redis-benchmark", "-p", str(port(box)), "-t",
                   "ping,set,get,incr,mset", "-n", "640", "-c", "4", "-P",
                   pipeline, "--csv"], within=120).out
        names = re.findall(r'^"([A-Z_]+)[^"]*","[0-9.]+"', out, re.M)
        equal(names, ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR",
                      "MSET"], "what was measured")
    equal(cli(box, "GET", "counter:__rand_int__"), "1280", "counter")


def test_long_values_and_pipelines_from_dom0(box):
    in_memory(box)
    out = box.client("kvload", STATIC_IP, 80, "set", 20, 50, 10)
    expect("answers=10000 " in out, out)
    out = box.client("kvload", STATIC_IP, 80, "get", 20, 50, 10)
    expect("answers=10000 " in out, out)
    value = "v" * 300000
    cli(box, "-x", "SET", "big", stdin=value)
    equal(cli(box, "GET", "big"), value, "a long value")


# --- Others -------------------------------------------------------------------

def test_who_never_reads_hurts_nobody(box):
    in_memory(box)
    cli(box, "-x", "SET", "big", stdin="v" * 200000)
    before = int(info(box, "used_memory_rss"))
    with Raw(box) as deaf:
        deaf.socket.settimeout(2)
        try:
            for _ in range(2000):
                deaf.send("GET big\r\n" * 100)
        except socket.timeout:
            pass
        equal(cli(box, "PING"), "PONG", "another's answer")
        more = int(info(box, "used_memory_rss")) - before
        expect(more < 1 << 20, f"{more} bytes more")


def test_many_clients_are_served(box):
    in_memory(box)
    clients = [Raw(box) for _ in range(60)]
    try:
        for each in clients:
            each.send("*2\r\n$4\r\nINCR\r\n$1\r\n")
        equal(cli(box, "GET", "n"), "", "before they are complete")
        for number, each in enumerate(clients):
            each.send("n\r\n")
            each.takes(f":{number + 1}\r\n")
    finally:
        for each in clients:
            each.socket.close()


def test_past_the_limit_of_clients_it_is_said(box):
    guest = box.create("kv", memory=8, vif=["bridge=xenbr0"],
                       cmdline=f"{ON_XENBR0} kv.clients=2")
    guest.says(rf"net: vif0: {STATIC_IP}/24")
    with Raw(box) as one, Raw(box) as two:
        for each in (one, two):
            each.send("PING\r\n")
            each.takes("+PONG\r\n")
        with Raw(box) as three:
            three.takes("-ERR max number of clients reached\r\n")


def test_past_its_memory_it_refuses_and_lives(box):
    guest = start(box, options="kv.memory_mib=1", memory=8)
    out = cli(box, stdin="".join(f"SET key:{i} {'v' * 5000}\n"
                                 for i in range(400)))
    expect("OOM command not allowed when used memory > 'maxmemory'." in out,
           "it took all")
    equal(cli(box, "STRLEN", "key:0"), "5000", "what was stored before")
    cli(box, "FLUSHALL")
    equal(cli(box, "SET", "k", "v"), "OK", "after FLUSHALL")
    expect("nothing is mounted" in guest.console(), "it did not say so")


# --- The file -----------------------------------------------------------------

def test_shutdown_keeps_all_and_redis_can_read_it(box):
    disk = image(box)
    guest = start(box, disk)
    cli(box, stdin="SET k v\nINCR n\nAPPEND k w\nSETEX t 1000 x\nDEL none\n")
    cli(box, stdin="MULTI\nSET m 1\nINCR m\nRENAME m o\nEXEC\n")
    equal(cli(box, "BGREWRITEAOF"),
          "Background append only file rewriting started", "BGREWRITEAOF")
    retry(lambda: equal(info(box, "aof_rewrite_in_progress"), "0", "rewrite"))
    cli(box, "INCR", "n")
    cli(box, stdin="MULTI\nINCR o\nAPPEND t y\nEXEC\n")
    guest.xl("shutdown")
    guest.ends()
    guest = start(box, disk)
    equal(cli(box, "MGET", "k", "n", "t", "o").split(),
          ["vw", "2", "xy", "3"], "values")
    expect(900 < int(cli(box, "TTL", "t")) <= 1000, "it does not expire")
    guest.xl("shutdown")
    guest.ends()
    with tempfile.TemporaryDirectory() as folder:
        local = os.path.join(folder, "kv.img")
        box.xenbox("get", disk, local)
        run([LITTLEFS, "extract", local, os.path.join(folder, "out")])
        out = run(["redis-check-aof", os.path.join(
            folder, "out", FOLDER, "appendonly.aof.manifest")]).out
        expect("All AOF files and manifest are valid" in out, out)


def values(box, numbers):
    """(number, value) of each; asked at once, since a new connection through
    the forwarded port may take seconds."""
    if not numbers:
        return []
    seen = cli(box, "MGET", *(f"n:{int(number):03}" for number in numbers))
    return zip(numbers, map(int, seen.splitlines()), strict=True)


def destroy_while_writing(box, times):
    """Each number that was acknowledged is there after `xl destroy`."""
    disk = image(box)
    acknowledged = {}
    for _ in range(times):
        guest = start(box, disk, "kv.fsync=always kv.rewrite_mib=1")
        for number, seen in values(box, acknowledged):
            least = acknowledged[number]
            expect(least <= seen <= least + 1,
                   f"n:{number}: {seen}, and {least} was acknowledged")
        writer = box.start_client("kvload", STATIC_IP, 80, "count", 8)
        writer.says("^7 30$")
        guest.xl("destroy")
        # Nobody tells it that the server is gone.
        box.sh("kill $(pidof kvload) 2>/dev/null; true")
        acknowledged = {}
        for number, value in re.findall(r"^(\d+) (\d+)$", writer.output(),
                                        re.M):
            acknowledged[number] = int(value)
        equal(len(acknowledged), 8, "writers")


def test_what_was_acknowledged_is_there_after_destroy(box):
    destroy_while_writing(box, 3)


@soak
def test_what_was_acknowledged_is_there_after_200_times(box):
    destroy_while_writing(box, 200)


def prepared(box, content, name="prepared.img"):
    """A disk with this as the file."""
    with tempfile.TemporaryDirectory() as folder:
        inside = os.path.join(folder, "in", FOLDER)
        os.makedirs(inside)
        with open(os.path.join(inside, "appendonly.aof.manifest"), "w",
                  encoding="ascii") as file:
            file.write("file appendonly.aof.1.incr.aof seq 1 type i\n")
        with open(os.path.join(inside, "appendonly.aof.1.incr.aof"),
                  "wb") as file:
            file.write(content)
        local = os.path.join(folder, name)
        run([LITTLEFS, "make", local, os.path.join(folder, "in"), "--size",
             "4M"])
        box.xenbox("put", local, f"/run/{name}")
    return f"/run/{name}"


SET = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n%d\r\n"


def test_a_torn_end_is_cut_off(box):
    content = SET % 1 + SET % 2
    guest = start(box, prepared(box, content + (SET % 3)[:20]))
    guest.says("kv: appendonly.aof.1.incr.aof: its last 20 bytes are cut off")
    equal(cli(box, "GET", "a"), "2", "a")


def test_damage_is_refused_unless_it_may_be_cut_off(box):
    content = SET % 1 + SET % 2 + b"rubbish\r\n" + SET % 3
    guest = start(box, prepared(box, content), loads=False)
    guest.says(f"at byte {len(SET % 1) * 2} of {len(content)}")
    guest.ends()
    guest = start(box, prepared(box, content), "kv.damaged=cut")
    equal(cli(box, "GET", "a"), "2", "a")


def test_on_a_full_disk_changes_are_refused_and_reads_go_on(box):
    start(box, image(box, "small.img", 1), "kv.fsync=always")
    out = cli(box, stdin="".join(f"SET key:{i} {'v' * 20000}\n"
                                 for i in range(70)))
    expect("OK" in out, "nothing was taken")
    retry(lambda: expect(cli(box, "SET", "k", "v").startswith(
        "MISCONF Errors writing to the AOF file: No space left on device"),
        "it is taken"))
    equal(cli(box, "STRLEN", "key:0"), "20000", "what was stored before")
    expect(int(info(box, "aof_write_failures")) > 0, "it was not counted")


def test_bad_options_are_named(box):
    for option, line in (
            ("kv.fsync=often", "kv.fsync=often is none of always, everysec"),
            ("kv.damaged=keep", "kv.damaged=keep is neither stop nor cut"),
            ("kv.port=0", "kv.port=0 is not a number")):
        guest = box.create("kv", memory=8, cmdline=option)
        guest.says(line)
        guest.ends()
