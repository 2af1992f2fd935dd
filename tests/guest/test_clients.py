# SPDX-License-Identifier: MIT
"""Many, slow and hostile clients: memory stays bounded, others are served."""

import web
from rig import DOM0_IP, STATIC_IP, equal, expect

SECONDS = 120

GET = "GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"
HEAD = "HEAD / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"
MB = 1 << 20


def test_10000_idle_connections_are_kept_and_others_served(box):
    web.start(box, memory=64, cmdline=web.ON_XENBR0 +
              " http.connections=12000 http.idle_s=3600")
    held = box.start_client("hold", STATIC_IP, 80, 10000, 3600, HEAD,
                            within=900)
    held.says("opened=10000", within=300)
    web.serves(box)
    seen = web.metrics(box)
    expect(seen["xenolith_http_connections_open"] >= 10000,
           f"open: {seen['xenolith_http_connections_open']}")
    expect(seen["xenolith_memory_used_bytes"] < 32 * MB,
           f"memory used: {seen['xenolith_memory_used_bytes']}")


def test_more_connections_than_2_MB_hold_harm_nobody_else(box):
    guest = web.start(box, memory=2)
    held = box.start_client("hold", STATIC_IP, 80, 3000, 600, HEAD,
                            within=900)
    held.says("opened=3000", within=300)
    web.serves(box)
    seen = web.metrics(box)
    equal(seen["xenolith_memory_failures_total"], 0,
          "requests for memory that failed")
    gone = (seen["xenolith_http_connections_evicted_total"]
            + seen["xenolith_http_connections_refused_total"])
    expect(gone > 0, "it held them all")
    expect(guest.state(), "the guest is gone")


def test_slow_readers_are_cut_off_and_others_served(box):
    web.start(box, memory=4)
    before = web.metrics(box)
    held = box.start_client("hold", STATIC_IP, 80, 20, 45, GET * 300)
    held.says("opened=20")
    web.serves(box)
    equal(held.ends().splitlines()[-1], "open=0", "slow readers in the end")
    # They were too slow, or what they had sent filled 4 MB.
    after = web.metrics(box)
    ended = sum(after[name] - before[name] for name in (
        "xenolith_http_connections_timed_out_total",
        "xenolith_http_connections_pressed_total",
        "xenolith_http_connections_evicted_total"))
    expect(ended >= 20, f"counted: {ended}")
    web.settles(box, "xenolith_http_connections_open", 2)
    web.settles(box, "xenolith_memory_heap_used_bytes",
                before["xenolith_memory_heap_used_bytes"] + 64 * 1024)


def test_slow_writers_are_cut_off_and_others_served(box):
    web.start(box, memory=2)
    before = web.metrics(box)
    held = box.start_client("hold", STATIC_IP, 80, 300, 45,
                            "GET / HTTP/1.1\\r\\nHost:")
    held.says("opened=300")
    web.serves(box)
    equal(held.ends().splitlines()[-1], "open=0", "slow writers in the end")
    # Each was told: it was too slow, or 2 MB hold no more of them.
    after = web.metrics(box)
    told = {code: after.get(name, 0) - before.get(name, 0)
            for code in (408, 503)
            for name in [f'xenolith_http_requests_total{{code="{code}"}}']}
    expect(told[408] > 100 and sum(told.values()) == 300,
           f"answers by status: {told}")
    web.settles(box, "xenolith_http_connections_open", 2)


def test_a_SYN_flood_leaves_room_for_the_others(box):
    # Answers to addresses that nobody has go to dom0, which drops them.
    web.start(box, memory=4, cmdline=f"{web.ON_XENBR0} vif0.gw={DOM0_IP}")
    before = web.metrics(box)
    flood = box.start_client("flood", STATIC_IP, 80, 20000, within=300)
    web.serves(box)
    equal(flood.ends(within=300), "sent=20000\n", "SYNs")
    web.serves(box)
    seen = web.metrics(box)
    expect(seen["xenolith_net_tcp_syn_dropped_total"] > 1000,
           "SYNs that were given up are not counted")
    expect(seen["xenolith_net_tcp_opening"] <= 256, "too many half open")
    expect(seen["xenolith_memory_heap_used_bytes"]
           < before["xenolith_memory_heap_used_bytes"] + MB,
           "memory grew with the flood")
