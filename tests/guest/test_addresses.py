# SPDX-License-Identifier: MIT
"""Addresses by every way there is, and what is reached through them."""

import re

import web
from rig import DHCP_IP, DOM0_IP, STATIC_IP, equal, expect

SECONDS = 90

BRIDGE1_IP = "10.0.3.20"        # on xenbr1, where only tests serve
LINK_LOCAL = "^fe80::"
SLAAC = "^fd00:2::"


def with_server(box, work, *arguments):
    """Do something while dnsmasq serves on xenbr1."""
    box.sh("dnsmasq --conf-file=/dev/null --interface=xenbr1 "
           "--bind-interfaces --no-resolv --no-hosts --pid-file=/run/dns.pid "
           "--dhcp-leasefile=/root/leases " + " ".join(arguments))
    try:
        work()
    finally:
        box.sh("kill $(cat /run/dns.pid)")


DHCP = "--dhcp-range=10.0.3.100,10.0.3.200"


def ping(box, address, size=56, count=3, options=""):
    """Each of them is answered."""
    command = "ping6" if ":" in address else "ping"
    out = box.sh(f"{command} -c {count} -W 10 -s {size} {options} {address}")
    expect(" 0% packet loss" in out, out)


def echo(box, **keys):
    """An echo guest on xenbr0, shared by the tests that need no other."""
    guest = box.create("echo", memory=8, vif=["bridge=xenbr0"],
                       cmdline=web.ON_XENBR0, **keys)
    guest.says(rf"net: vif0: {STATIC_IP}/24")
    guest.has_node("attr/vif/0/ipv6/0", SLAAC)
    return guest


def test_DHCP_gives_an_address_that_serves(box):
    guest = web.start(box, cmdline="", address=DHCP_IP)
    guest.says(rf"net: vif0: {DHCP_IP}/24 .*\(dhcp, lease [0-9]+ s")
    equal(web.curl(box, "-o", "/dev/null", "-w", "%{http_code}",
                   address=DHCP_IP), "200", "status")
    equal(guest.has_node("attr/vif/0/ipv4/0", "."), DHCP_IP, "in xenstore")


def test_a_static_address_is_shown_in_xenstore(box):
    guest = web.shared(box)
    equal(guest.has_node("attr/vif/0/ipv4/0", "."), STATIC_IP, "in xenstore")
    expect(f'0 = "{STATIC_IP}"' in
           box.sh(f"xenstore-ls /local/domain/{guest.domid}/attr/vif/0"),
           "xenstore-ls does not show it")


def test_xenstore_can_give_the_address(box):
    guest = box.create("http", memory=4, vif=["bridge=xenbr0"], paused=True)
    home = f"/local/domain/{guest.domid}/vm-data"
    box.sh(f"xenstore-write {home}/vif0/ip {STATIC_IP}/24; "
           f"xenstore-chmod -r {home} n0 r{guest.domid}")
    guest.xl("unpause")
    web.wait(guest)
    equal(web.status(box), 200, "status")


def test_SLAAC_gives_an_IPv6_address_that_serves(box):
    guest = web.shared(box)
    address = guest.has_node("attr/vif/0/ipv6/0", SLAAC)
    ping(box, address)
    expect("</html>" in web.get(box, address=address), "no page")
    guest.says(rf"net: vif0: {re.escape(address)}/64 \(slaac\)")


def test_a_static_IPv6_address_serves(box):
    address = "fd00:2::cafe"
    guest = web.start(box, cmdline=f"vif0.ip=none vif0.ip6={address}",
                      address=f"[{address}]")
    ping(box, address)
    expect("</html>" in web.get(box, address=address), "no page")
    equal(guest.has_node("attr/vif/0/ipv6/0", "."), address, "in xenstore")
    equal(guest.node("attr/vif/0/ipv4/0"), None, "IPv4 in xenstore")


def test_the_link_local_address_answers(box):
    guest = web.shared(box)
    address = guest.has_node("attr/vif/0/ipv6/1", LINK_LOCAL)
    ping(box, address, options="-I xenbr0")


def test_two_vifs_are_both_reached(box):
    guest = box.create(
        "http", memory=4, vif=["bridge=xenbr0", "bridge=xenbr1"],
        cmdline=f"{web.ON_XENBR0} vif1.ip={BRIDGE1_IP}/24")
    web.wait(guest)
    web.wait(guest, BRIDGE1_IP)
    for address in (STATIC_IP, BRIDGE1_IP):
        ping(box, address)
        expect("</html>" in web.get(box, address=address), "no page")
    equal(guest.has_node("attr/vif/0/ipv4/0", "."), STATIC_IP, "vif0")
    equal(guest.has_node("attr/vif/1/ipv4/0", "."), BRIDGE1_IP, "vif1")
    numbers = web.metrics(box)
    for vif in "01":
        expect(numbers[f'xenolith_vif_rx_frames_total{{vif="{vif}"}}'] > 0,
               f"vif{vif} counts nothing")


def test_each_vif_asks_its_own_DHCP_server(box):
    def work():
        guest = box.create("http", memory=4,
                           vif=["bridge=xenbr0", "bridge=xenbr1"])
        # Not always the first address: another guest has had that before.
        guest.says(r"net: vif0: 10\.0\.2\.[12][0-9]/24 .*dhcp")
        guest.says(r"net: vif1: 10\.0\.3\.[12][0-9][0-9]/24 .*dhcp")
        ping(box, guest.has_node("attr/vif/1/ipv4/0", "."))
        ping(box, guest.has_node("attr/vif/0/ipv4/0", "."))
    with_server(box, work, DHCP)


LEASE = 10


def short_leases(box, work):
    """Do something while udhcpd serves on xenbr1: dnsmasq's leases take at
    least two minutes."""
    lines = " ".join(f"'{line}'" for line in (
        "start 10.0.3.100", "end 10.0.3.200", "interface xenbr1",
        "lease_file /root/udhcpd.leases", "min_lease 5",
        f"option lease {LEASE}", "option subnet 255.255.255.0",
        "option router 10.0.3.10"))
    box.sh(f"printf '%s\\n' {lines} >/root/udhcpd.conf; "
           "touch /root/udhcpd.leases; "
           "busybox udhcpd -f /root/udhcpd.conf >/dev/null 2>&1 </dev/null & "
           "echo $! >/run/udhcpd.pid")
    try:
        work()
    finally:
        box.sh("kill $(cat /run/udhcpd.pid)")


def test_a_short_lease_is_renewed_and_ends_during_a_pause(box):
    def work():
        guest = box.create("http", memory=4, vif=["bridge=xenbr1"])
        guest.says(rf"net: vif0: 10\.0\.3\.[0-9]+/24 .*dhcp, lease {LEASE} s")
        address = guest.has_node("attr/vif/0/ipv4/0", ".")
        box.sh(f"sleep {2 * LEASE}")
        ping(box, address)
        expect("is gone" not in guest.console(), "the lease was not renewed")
        guest.xl("pause")
        box.sh(f"sleep {2 * LEASE}")
        guest.xl("unpause")
        guest.says("net: vif0: the lease of its address has ended")
        guest.says(rf"net: vif0: 10\.0\.3\.[0-9]+/24 .*dhcp, lease {LEASE} s",
                   times=2)
    short_leases(box, work)


def test_the_router_may_stand_only_in_option_121(box):
    def work():
        guest = box.create("http", memory=4, vif=["bridge=xenbr1"])
        guest.says(r"net: vif0: 10\.0\.3\.[0-9]+/24 via 10\.0\.3\.10 \(dhcp")
    with_server(box, work, DHCP, "--dhcp-option=3",
                "--dhcp-option=121,0.0.0.0/0,10.0.3.10")


def test_ping_is_answered_in_every_size(box):
    web.shared(box)
    for size in (0, 56, 1472, 1473, 8000):      # from 1473 on in fragments
        ping(box, STATIC_IP, size)


def test_TCP_echoes_a_megabyte_unharmed(box):
    box.share("echo", echo)
    equal(box.client("echo", "tcp", STATIC_IP, 7, 1 << 20, 1, within=120),
          "same\n", "echo")


def test_UDP_echoes_every_size(box):
    box.share("echo", echo)
    for size in (1, 100, 1472, 1473, 8000):
        equal(box.client("echo", "udp", STATIC_IP, 7, size, 5), "same\n",
              f"echo of {size} bytes")


def test_IPv6_echoes_TCP_and_UDP(box):
    guest = box.share("echo", echo)
    address = guest.has_node("attr/vif/0/ipv6/0", SLAAC)
    equal(box.client("echo", "tcp", address, 7, 100000, 1, within=120),
          "same\n", "TCP")
    for size in (1, 1452, 1453, 8000):
        equal(box.client("echo", "udp", address, 7, size, 5), "same\n",
              f"UDP of {size} bytes")


def look_up(box, name, expected, cmdline, bridge):
    guest = box.create("selftest", memory=4, vif=[f"bridge={bridge}"],
                       cmdline=f"test=dns dns={name} dns.ip={expected} "
                       + cmdline)
    guest.says("^ok 1 - dns")


NAMES = ("--address=/guest.test/192.0.2.7", "--local=/test/")


def test_a_name_is_looked_up_at_the_server_that_DHCP_told(box):
    with_server(box, lambda: look_up(box, "guest.test", "192.0.2.7", "",
                                     "xenbr1"), DHCP, *NAMES)


def test_a_name_is_looked_up_at_the_server_that_the_cfg_told(box):
    static = f"vif0.ip={BRIDGE1_IP}/24 vif0.dns=10.0.3.10"
    with_server(box, lambda: look_up(box, "guest.test", "192.0.2.7", static,
                                     "xenbr1"), *NAMES)


def test_a_name_that_does_not_exist_is_known_not_to(box):
    static = f"vif0.ip={BRIDGE1_IP}/24 vif0.dns=10.0.3.10"
    with_server(box, lambda: look_up(box, "other.test", "none", static,
                                     "xenbr1"), *NAMES)
