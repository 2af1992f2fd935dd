# SPDX-License-Identifier: MIT
"""What is missing, wrong or hostile around a guest: it says so, stays within
its memory, and serves the others."""

import web
from rig import DOM0_IP, STATIC_IP, Failure, equal, expect, retry, spoils

SECONDS = 200

GET = "GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"
HEAD = "HEAD / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"
MB = 1 << 20


def serves(box):
    """Ten requests in a row are answered."""
    for _ in range(10):
        equal(web.status(box), 200, "status")


# --- missing things -----------------------------------------------------------

def test_without_a_vif_it_says_so_and_waits(box):
    guest = box.create("http", memory=4)
    guest.says("warning: .*no vif")
    guest.xl("shutdown", "-w")


def test_a_link_that_comes_late_is_used(box):
    guest = box.create("http", memory=4, cmdline=web.ON_XENBR0)
    guest.says("warning: .*no vif")
    guest.xl("network-attach", "bridge=xenbr0", "script=vif-quick")
    web.wait(guest)
    serves(box)


def test_a_backend_that_never_appears_is_named(box):
    guest = box.create("http", memory=4, cmdline=web.ON_XENBR0)
    front = f"/local/domain/{guest.domid}/device/vif/0"
    back = f"/local/domain/0/backend/vif/{guest.domid}/0"
    box.sh(f"xenstore-write {front}/backend {back} {front}/backend-id 0 "
           f"{front}/state 1 {front}/handle 0 {front}/mac 00:16:3e:00:00:07; "
           f"xenstore-chmod -r {front} n{guest.domid} r0")
    guest.says(f"warning: .*still waiting for {back}")
    guest.xl("shutdown", "-w")


def test_no_DHCP_answer_is_told_and_asked_for_again(box):
    guest = box.create("http", memory=4, vif=["bridge=xenbr1"])
    guest.says("warning: .*no DHCP server")
    box.sh("dnsmasq --conf-file=/dev/null --interface=xenbr1 "
           "--bind-interfaces --dhcp-range=10.0.3.100,10.0.3.200 "
           "--dhcp-leasefile=/root/leases --pid-file=/run/dns.pid")
    try:
        guest.says(r"net: vif0: 10\.0\.3\.[12][0-9][0-9]/24", within=120)
    finally:
        box.sh("kill $(cat /run/dns.pid)")


def test_it_serves_while_xenstored_stands_still(box):
    guest = web.start(box)
    daemon = "$(cat /run/xenstored.pid)"
    box.sh(f"kill -STOP {daemon}")
    try:
        serves(box)
    finally:
        box.sh(f"kill -CONT {daemon}")
    guest.xl("shutdown", "-w")


# --- a cfg with mistakes ------------------------------------------------------

def goes_on(box, cmdline, line):
    guest = box.create("http", memory=4, cmdline=cmdline)
    guest.says(line)
    guest.says("http: serving")
    expect(guest.state(), "it stopped")


def stops(box, cmdline, line):
    guest = box.create("http", memory=4, cmdline=cmdline)
    guest.says(line)
    guest.ends()
    expect("http: serving" not in guest.console(), "it served first")


def test_an_unknown_key_is_named(box):
    goes_on(box, "http.prot=80", "warning: options: .*http.prot=80")


def test_a_bad_level_is_named(box):
    goes_on(box, "log=loud", "warning: .*log=loud")


def test_a_word_that_is_no_option_is_named(box):
    goes_on(box, "=80 log=info", "error: options: .*=80")


def test_a_key_given_twice_is_named(box):
    goes_on(box, "http.port=81 http.port=80", "warning: options: http.port=81")


def test_bytes_that_are_no_text_are_named(box):
    goes_on(box, "log=info \x01\xe9\x1b[31m", "(warning|error): options: ")


def test_the_longest_command_line_is_read_to_its_end(box):
    words = " ".join(f"key{i:03}=x" for i in range(200))[:1000]
    goes_on(box, words + " http.port=8080", "port 8080|options: .*key")


def test_a_bad_address_stops_it(box):
    stops(box, "vif0.ip=10.0.2.300/24",
          "error: net: vif0.ip=10.0.2.300/24: must be")


def test_a_bad_port_stops_it(box):
    stops(box, "http.port=0", "error: options: http.port=0")


# --- clients ------------------------------------------------------------------

def test_10000_idle_connections_are_kept_and_others_served(box):
    web.start(box, memory=64, cmdline=web.ON_XENBR0 +
              " http.connections=12000 http.idle_s=3600")
    held = box.start_client("hold", STATIC_IP, 80, 10000, 3600, HEAD,
                            within=900)
    held.says("opened=10000", within=600)
    serves(box)
    seen = web.metrics(box)
    expect(seen["xenolith_http_connections_open"] >= 10000,
           f"open: {seen['xenolith_http_connections_open']}")
    expect(seen["xenolith_memory_used_bytes"] < 32 * MB,
           f"memory used: {seen['xenolith_memory_used_bytes']}")


def test_more_connections_than_2_MB_hold_harm_nobody_else(box):
    guest = web.start(box, memory=2)
    held = box.start_client("hold", STATIC_IP, 80, 3000, 600, HEAD,
                            within=900)
    held.says("opened=", within=300)
    serves(box)
    equal(web.metrics(box)["xenolith_memory_failures_total"], 0,
          "requests for memory that failed")
    expect(guest.state(), "the guest is gone")


def test_slow_readers_are_cut_off_and_others_served(box):
    web.start(box, memory=4)
    before = web.metrics(box)
    held = box.start_client("hold", STATIC_IP, 80, 20, 45, GET * 300)
    held.says("opened=20")
    serves(box)
    equal(held.ends().splitlines()[-1], "open=0", "slow readers in the end")
    name = "xenolith_http_connections_timed_out_total"
    expect(web.metrics(box)[name] - before[name] >= 20, "not counted")
    web.settles(box, "xenolith_http_connections_open", 2)
    web.settles(box, "xenolith_memory_heap_used_bytes",
                before["xenolith_memory_heap_used_bytes"] + 64 * 1024)


def test_slow_writers_are_cut_off_and_others_served(box):
    web.start(box, memory=2)
    held = box.start_client("hold", STATIC_IP, 80, 300, 45,
                            "GET / HTTP/1.1\\r\\nHost:")
    held.says("opened=")
    serves(box)
    equal(held.ends().splitlines()[-1], "open=0", "slow writers in the end")
    web.settles(box, "xenolith_http_connections_open", 2)


def test_a_SYN_flood_leaves_room_for_the_others(box):
    # Answers to addresses that nobody has go to dom0, which drops them.
    web.start(box, memory=4, cmdline=f"{web.ON_XENBR0} vif0.gw={DOM0_IP}")
    before = web.metrics(box)
    flood = box.start_client("flood", STATIC_IP, 80, 50000, within=300)
    serves(box)
    equal(flood.ends(within=300), "sent=50000\n", "SYNs")
    serves(box)
    seen = web.metrics(box)
    expect(seen["xenolith_net_tcp_syn_dropped_total"] > 1000,
           "SYNs that were given up are not counted")
    expect(seen["xenolith_net_tcp_opening"] <= 256, "too many half open")
    expect(seen["xenolith_memory_heap_used_bytes"]
           < before["xenolith_memory_heap_used_bytes"] + MB,
           "memory grew with the flood")


# --- the backend --------------------------------------------------------------

def test_a_vif_that_is_unplugged_and_plugged_in_serves_again(box):
    guest = web.start(box)
    guest.xl("network-detach", "0")
    guest.says(f"vif0: {STATIC_IP}/24 is gone")
    guest.xl("network-attach", "bridge=xenbr0", "script=vif-quick")
    web.wait(guest, times=2)
    serves(box)


@spoils
def test_a_netback_that_is_loaded_anew_serves_again(box):
    guest = web.start(box)
    vif = f"vif{guest.domid}.0"
    back = f"/local/domain/0/backend/vif/{guest.domid}/0"
    box.sh("rmmod xen-netback")
    guest.says("vif0: down")
    # What udev does on an ordinary host, libxl not being asked:
    box.sh(f"insmod /lib/modules/xen_netback.ko; for i in $(seq 100); do "
           f"ip link set {vif} master xenbr0 2>/dev/null && break; sleep 0.1; "
           f"done; ip link set {vif} up; "
           f"xenstore-write {back}/hotplug-status connected")
    guest.says("netfront: vif0: up", times=2)
    serves(box)
