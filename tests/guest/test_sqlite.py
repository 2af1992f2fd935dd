# SPDX-License-Identifier: MIT
"""SQLite in a guest: apps/sqlite and bench/images/speedtest1."""

import os
import re
import sqlite3
import subprocess
import tempfile

from rig import CLIENTS, DOM0_IP, ROOT, STATIC_IP, Failure, equal, expect, retry, soak

SECONDS = 150

PORT = 8432
STATIC = f"vif0.ip={STATIC_IP}/24 vif0.gw={DOM0_IP} vif0.ip6=none"
TOOL = os.path.join(ROOT, "tools", "database")
DISK = "/run/sqlite.img"


def zeros(box, mib=8, path=DISK):
    """A disk of zeros in dom0's memory."""
    box.sh(f"rm -f {path}; truncate -s {mib}M {path}")
    return path


def disk(path=DISK, access="rw"):
    return f"format=raw,vdev=xvda,access={access},target={path}"


def create(box, *, memory=16, cmdline="", disks=None, **keys):
    disks = [disk()] if disks is None else disks
    return box.create("sqlite", memory=memory, vif=["bridge=xenbr0"],
                      disk=disks, cmdline=f"{STATIC} {cmdline}", **keys)


def start(box, **keys):
    guest = create(box, **keys)
    guest.says(f"sqlite: port {PORT}")
    return guest


def sql(box, text, within=60):
    """The answer to these commands."""
    path = box.put(os.path.join(CLIENTS, "sql"))
    return box.sh(f"timeout {within} {path} {STATIC_IP} {PORT}", within + 5,
                  stdin=text.encode())


def answers(box, text, expected, within=60):
    equal(sql(box, text, within), expected, "answer")


def leaves(guest):
    """A clean end."""
    guest.xl("shutdown")
    guest.says(": powering off")
    guest.ends()


def fails(guest, reason):
    guest.says(reason)
    guest.says("failed with status 1")
    guest.ends()


def image(box, path=DISK):
    """The disk, here; a context manager's worth of a file."""
    file = tempfile.NamedTemporaryFile(suffix=".img")
    box.xenbox("get", path, file.name)
    return file


def tool(*arguments):
    result = subprocess.run([TOOL, *arguments], capture_output=True, text=True,
                            check=False)
    if result.returncode:
        raise Failure(f"tools/database {' '.join(arguments)}: "
                      f"{result.stdout}{result.stderr}")
    return result.stdout


SCHEMA = "CREATE TABLE t(a INTEGER PRIMARY KEY, b UNIQUE);\n"


def test_what_was_written_is_there_after_a_restart(box):
    zeros(box)
    guest = start(box)
    answers(box, SCHEMA + "INSERT INTO t VALUES(1, 'one'), (2, NULL),\n"
            " (3, x'00ff');\nSELECT * FROM t;\n",
            "-- ok\n-- ok, 3 changed\n1\tone\n2\t\\N\n3\t\\x00ff\n"
            "-- ok, 3 rows\n")
    leaves(guest)
    with image(box) as file:
        text = tool("list", file.name)
        expect("journal" not in text, "its log was not written back:\n" + text)
        tool("check", file.name)
    guest = start(box)
    answers(box, "SELECT count(*), max(b) FROM t; PRAGMA integrity_check;",
            "3\t\\x00ff\n-- ok, 1 row\nok\n-- ok, 1 row\n")


def shared(box):
    """A guest with an empty table t, for tests that leave it empty."""
    def make(box):
        zeros(box, 16, "/run/shared.img")
        guest = start(box, disks=[disk("/run/shared.img")],
                      cmdline="sqlite.statement_s=6 sqlite.clients=12")
        sql(box, SCHEMA)
        return guest
    return box.share("sqlite", make)


def test_mistakes_are_told_in_words(box):
    shared(box)
    answers(box, "SELEC 1;\nSELECT x;\n.tales\n.mode loud\nSELECT 1",
            '-- error 1: near "SELEC": syntax error\n'
            "-- error 1: no such column: x\n"
            "-- error: no such command as .tales: try .help\n"
            "-- error: .mode is one of tabs, csv, quote, line\n"
            "-- error: the last statement does not end in ; and was not run\n")
    answers(box, "BEGIN; INSERT INTO t VALUES(1, 1);"
            "INSERT INTO t VALUES(2, 1);ROLLBACK;",
            "-- ok\n-- ok, 1 changed\n"
            "-- error 19: UNIQUE constraint failed: t.b\n-- ok\n")
    answers(box, "SELECT '" + "x" * 70000 + "';\nSELECT 2;\n",
            "-- error: a command is longer than is allowed\n2\n-- ok, 1 row\n")
    answers(box, "PRAGMA hard_heap_limit=1;",
            "-- error 23: not authorized\n")


def test_rows_in_other_forms(box):
    shared(box)
    select = "SELECT 'it''s', 2.5, NULL, x'61', 'a,\"b\"' AS \"x y\";\n"
    answers(box, f".headers on\n.mode csv\n{select}.mode quote\n{select}"
            f".headers off\n.mode line\n{select}.quit\nSELECT 1;",
            "-- ok\n-- ok\n'it''s',2.5,NULL,x'61',x y\n"
            "it's,2.5,,a,\"a,\"\"b\"\"\"\n-- ok, 1 row\n"
            "-- ok\n'''it''''s''','2.5','NULL','x''61''','x y'\n"
            "'it''s',2.5,NULL,X'61','a,\"b\"'\n-- ok, 1 row\n"
            "-- ok\n-- ok\n'it''s' = it's\n2.5 = 2.5\nNULL = \\N\n"
            "x'61' = \\x61\nx y = a,\"b\"\n\n-- ok, 1 row\n-- ok\n")


def test_several_clients_at_once(box):
    shared(box)
    nr, each = 8, 30
    text = "".join(f"BEGIN; INSERT INTO t(b) VALUES('%d.{i}'); COMMIT;\n"
                   for i in range(each))
    path = box.put(os.path.join(CLIENTS, "sql"))
    out = box.sh(
        f"cat >/root/inserts; for i in $(seq {nr}); do "
        f"sed \"s/%d/$i/\" </root/inserts | timeout 60 {path} {STATIC_IP} "
        f"{PORT} & done; wait", stdin=text.encode())
    equal(out.count("-- ok\n"), nr * each * 2, "transactions that went well")
    answers(box, "SELECT count(*) FROM t; DELETE FROM t;",
            f"{nr * each}\n-- ok, 1 row\n-- ok, {nr * each} changed\n")


ENDLESS = ("WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM c) "
           "SELECT count(*) FROM c;")


def test_a_long_query_does_not_stop_the_network(box):
    shared(box)
    client = box.start_client("sql", STATIC_IP, PORT, "vanish", ENDLESS)
    # While it runs: ten answers to ten pings.
    out = box.sh(f"ping -c 10 -i 0.1 -W 1 {STATIC_IP}")
    expect(" 0% packet loss" in out, out)
    client.ends()
    # Its client has gone: somebody else's turn, before its time is over.
    answers(box, "SELECT 1;", "1\n-- ok, 1 row\n", within=4)


def test_a_query_that_takes_too_long_is_ended(box):
    shared(box)
    answers(box, ENDLESS + "SELECT 1;",
            "-- error 9: took longer than a statement may\n1\n-- ok, 1 row\n")


def test_a_slow_reader_holds_up_nobody(box):
    shared(box)
    text = ENDLESS.replace("count(*)", "x, randomblob(1000)")
    client = box.start_client("hold", STATIC_IP, PORT, 4, 3, text)
    answers(box, "INSERT INTO t VALUES(1, 1); DELETE FROM t;",
            "-- ok, 1 changed\n-- ok, 1 changed\n")
    client.ends()


def test_a_lock_is_waited_for_and_given_back(box):
    shared(box)
    client = box.start_client("hold", STATIC_IP, PORT, 1, 50,
                              "BEGIN IMMEDIATE;\\n")
    retry(lambda: answers(box, "BEGIN IMMEDIATE;",
                          "-- error 5: database is locked\n"))
    box.sh("kill $(pidof hold)")
    client.ends(check=False)
    answers(box, "INSERT INTO t VALUES(1, 1); DELETE FROM t;",
            "-- ok, 1 changed\n-- ok, 1 changed\n")


def test_too_many_clients_are_turned_away(box):
    guest = shared(box)
    client = box.start_client("hold", STATIC_IP, PORT, 11, 3, "SELECT 1;\\n")
    box.sh("sleep 1")
    answers(box, "SELECT 1;", "-- error: too many clients\n")
    client.ends()
    expect("panic" not in guest.console(), "panic")


def test_no_memory_is_an_error_of_the_statement(box):
    shared(box)
    text = sql(box, "SELECT length(randomblob(1000000000));\n"
               "CREATE TEMP TABLE m(a);\n" +
               "INSERT INTO m VALUES(randomblob(700000));\n" * 15 +
               "SELECT count(*) > 5 FROM m;")
    equal(sorted(set(re.findall(r"^-- error (\d+)", text, re.M))), ["18", "7"],
          "errors")
    expect(text.endswith("1\n-- ok, 1 row\n"), text)


def test_the_console_is_a_shell_too(box):
    guest = shared(box)
    guest.types("SELECT 'con' ||\r 'sole!';\r")
    guest.says("^console!")
    guest.types("SELECT xx\b\b41 + 1;\r.bad\r")
    guest.says("^42")
    guest.says("^-- error: no such command as .bad")
    guest.says(r"   \.\.\.> ")


def test_a_dump_makes_the_same_database(box):
    zeros(box)
    guest = start(box)
    sql(box, SCHEMA + "CREATE TABLE \"odd \"\"name\"(a, b AS (a + 1), c);"
        "CREATE TABLE n(i INTEGER PRIMARY KEY AUTOINCREMENT);"
        "INSERT INTO n VALUES(7);"
        "INSERT INTO \"odd \"\"name\"(a, c) VALUES(1.1, 'x\ny'), "
        "(9e999, 'a' || char(0) || 'b'), (-3, x'00');"
        "INSERT INTO t SELECT value, printf('%.500c', 'x') || value FROM "
        "json_each('[' || substr(replace(printf('%.2000c', 'x'), 'x', ',1'), 2)"
        " || ']') WHERE key < 1;"
        "CREATE VIEW v AS SELECT a FROM t;"
        "CREATE TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM n; END;"
        "CREATE VIRTUAL TABLE f USING fts5(x, tokenize = porter);"
        "INSERT INTO f(rowid, x) VALUES(5, 'waves'), (2, 'sky');"
        "CREATE VIRTUAL TABLE r USING rtree(id, x0, x1);"
        "INSERT INTO r VALUES(3, 0.5, sqrt(2));"
        "PRAGMA user_version = 4; PRAGMA application_id = 5; ANALYZE;")
    questions = ("PRAGMA user_version; PRAGMA application_id;"
                 "SELECT * FROM sqlite_stat1 WHERE tbl IN ('t', 'n');"
                 "SELECT rowid FROM f('wave'); SELECT * FROM r WHERE x1 > 1;\n")
    said = sql(box, questions)
    expect("error" not in said, said)
    dump = sql(box, ".dump\n")
    expect(dump.endswith("COMMIT;\n-- ok\n"), dump[-200:])
    leaves(guest)
    zeros(box)
    start(box)
    expect("error" not in sql(box, dump), "loading it failed")
    equal(sql(box, ".dump\n"), dump, "the dump of a dump")
    equal(sql(box, questions), said, "what the copy says")


def test_one_long_function_ends_in_time(box):
    """What is one instruction for SQLite, and would take minutes."""
    shared(box)
    long = "printf('%.*c', 300000, 'a')"
    for call in (f"instr({long}, substr({long}, 150000) || 'b')",
                 f"replace({long}, substr({long}, 150000) || 'b', '')",
                 f"trim({long}, substr(replace({long}, 'a', 'b'), 1, 30000)"
                 " || 'a')"):
        answers(box, f"SELECT length({call});",
                "-- error 9: took longer than a statement may\n")
    answers(box, f"SELECT instr({long}, 'b');", "0\n-- ok, 1 row\n")


def test_a_full_disk(box):
    zeros(box, 2)
    start(box)
    text = sql(box, "CREATE TABLE big(a);\n" +
               "INSERT INTO big VALUES(randomblob(100000));\n" * 30)
    expect("-- error 13: database or disk is full" in text, text)
    text = sql(box, "SELECT count(*) > 5 FROM big; DELETE FROM big;"
               "INSERT INTO big VALUES(randomblob(100000));"
               "PRAGMA integrity_check;")
    expect(re.fullmatch(r"1\n-- ok, 1 row\n-- ok, \d+ changed\n"
                        r"-- ok, 1 changed\nok\n-- ok, 1 row\n", text), text)


def test_a_read_only_disk(box):
    zeros(box)
    guest = start(box)
    sql(box, SCHEMA + "INSERT INTO t VALUES(1, 1);")
    leaves(guest)
    start(box, disks=[disk(access="ro")])
    answers(box, "SELECT * FROM t; INSERT INTO t VALUES(2, 2);",
            "1\t1\n-- ok, 1 row\n"
            "-- error 8: attempt to write a readonly database\n")


def test_a_disk_with_something_else_is_left_alone(box):
    path = zeros(box)
    box.sh(f"echo something else | dd of={path} conv=notrunc 2>/dev/null")
    before = box.sh(f"md5sum {path}")
    fails(create(box), "xvda: holds something else; it must begin with")
    equal(box.sh(f"md5sum {path}"), before, "the disk")
    start(box, cmdline="sqlite.format")
    answers(box, SCHEMA, "-- ok\n")


def test_a_disk_that_is_not_there(box):
    fails(create(box, disks=[]), "xvda: the domain has no such disk")


def test_wrong_options_are_told(box):
    fails(create(box, disks=[], cmdline="sqlite.journal=off"),
          "sqlite.journal=off is not one of")
    fails(create(box, disks=[], cmdline="sqlite.disk=/dev/sda"),
          "sqlite.disk=/dev/sda is neither")


def test_a_database_in_memory(box):
    start(box, disks=[], cmdline="sqlite.disk=:memory:")
    answers(box, SCHEMA + "INSERT INTO t VALUES(1, 1);",
            "-- ok\n-- ok, 1 changed\n")
    answers(box, "SELECT * FROM t;", "1\t1\n-- ok, 1 row\n")


def test_interchange_with_sqlite_elsewhere(box):
    with tempfile.TemporaryDirectory() as folder:
        there = os.path.join(folder, "there.db")
        volume = os.path.join(folder, "volume.img")
        back = os.path.join(folder, "back.db")
        with sqlite3.connect(there) as database:
            database.execute(SCHEMA)
            database.executemany("INSERT INTO t VALUES(?, ?)",
                                 ((i, "x" * i) for i in range(500)))
        database.close()
        tool("load", there, volume, "--size", "8M")
        box.xenbox("put", volume, DISK)
        guest = start(box)
        answers(box, "SELECT sum(length(b)) FROM t; DELETE FROM t WHERE a % 2;"
                "INSERT INTO t VALUES(1000, 'from the guest');",
                f"{499 * 500 // 2}\n-- ok, 1 row\n-- ok, 250 changed\n"
                "-- ok, 1 changed\n")
        guest.xl("destroy")         # so that the log is part of it
        box.xenbox("get", DISK, volume)
        expect("write-ahead log" in tool("list", volume), "there is no log")
        tool("check", volume)
        tool("save", volume, back)
        with sqlite3.connect(back) as database:
            equal(database.execute("SELECT count(*), max(a) FROM t").fetchone(),
                  (251, 1000), "rows")


def crash_loop(box, times, journal):
    zeros(box, 16 + times // 2)     # it grows by 300 KiB a turn
    guest = start(box, cmdline=f"sqlite.journal={journal}")
    sql(box, "CREATE TABLE done(n INTEGER PRIMARY KEY, what);"
        "CREATE TABLE sums(n, sum); INSERT INTO sums VALUES(0, 0);")
    acked = 0
    for _ in range(times):
        client = box.start_client("sql", STATIC_IP, PORT, "count", acked + 1)
        client.says(f"acked {(acked + 20) // 10 * 10}")
        guest.xl("destroy")
        # Whoever is answered no more notices at once: the address is gone.
        box.sh("kill $(pidof sql) 2>/dev/null; true")
        acked = int(re.findall(r"acked (\d+)", client.output())[-1])
        guest = start(box, cmdline=f"sqlite.journal={journal}")
        text = sql(box, "SELECT max(n), count(*), sum(n) FROM done;"
                   "SELECT n, n, sum FROM sums; PRAGMA integrity_check;")
        rows = re.findall(r"^(\d+)\t(\d+)\t(\d+)$", text, re.M)
        equal(rows[0], rows[1], "both tables")
        equal(rows[0][0], rows[0][1], "a transaction in the middle")
        expect(int(rows[0][0]) >= acked, f"{acked} was acknowledged: {text}")
        expect("\nok\n" in text, text)
        acked = int(rows[0][0])


def test_what_was_acknowledged_is_there_after_destroy(box):
    crash_loop(box, 3, "wal")


def test_what_was_acknowledged_is_there_with_a_rollback_journal(box):
    crash_loop(box, 1, "delete")


@soak
def test_what_was_acknowledged_is_there_after_200_times(box):
    crash_loop(box, 200, "wal")


def speedtest1(box, args, disks=()):
    guest = box.create("speedtest1", memory=64, disk=list(disks),
                       cmdline=f'args="{args}"' +
                       (" speedtest1.disk=xvda" if disks else ""))
    guest.says(": powering off", within=180)
    text = guest.console()
    expect("failed" not in text, text[-300:])
    return re.search("Verification Hash: .*", text)[0]


def test_speedtest1_comes_to_the_same_result_on_disk_and_in_memory(box):
    zeros(box, 16)
    equal(speedtest1(box, "xvda --size 1 --verify --journal wal", [disk()]),
          speedtest1(box, "--memdb --size 1 --verify"), "hash")
