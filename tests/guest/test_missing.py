# SPDX-License-Identifier: MIT
"""What a guest needs is missing or comes late: it says so, and goes on."""

import web
from rig import DHCP_IP, STATIC_IP, expect

SECONDS = 60


LOOKS = 20              # whether it runs
BUSY_MOST = 5           # of these: once a second it may have something to do


def waits(guest):
    """It is there, is asleep, and wakes up when it is spoken to."""
    states = guest.box.sh(
        f"for i in $(seq {LOOKS}); do xl list {guest.name} | "
        "awk 'NR == 2 { print $5 }'; sleep 0.1; done").split()
    asleep = sum("b" in each for each in states)
    expect(asleep >= LOOKS - BUSY_MOST,
           f"asleep only {asleep} times of {LOOKS}: {states}")
    guest.xl("sysrq", "w")
    guest.says("sysrq 'w'")


def test_without_a_vif_it_says_so_and_waits(box):
    guest = box.create("http", memory=4)
    guest.says("warning: .*no vif")
    waits(guest)
    guest.xl("shutdown", "-w")
    guest.ends()
    expect("http: serving" in guest.console(), "it had given up")


def test_a_link_that_comes_late_is_used(box):
    guest = box.create("http", memory=4, cmdline=web.ON_XENBR0)
    guest.says("warning: .*no vif")
    guest.xl("network-attach", "bridge=xenbr0", "script=vif-quick")
    web.wait(guest)
    web.serves(box)


def test_a_backend_that_never_appears_is_named(box):
    guest = box.create("http", memory=4, cmdline=web.ON_XENBR0)
    front = f"/local/domain/{guest.domid}/device/vif/0"
    back = f"/local/domain/0/backend/vif/{guest.domid}/0"
    box.sh(f"xenstore-write {front}/backend {back} {front}/backend-id 0 "
           f"{front}/state 1 {front}/handle 0 {front}/mac 00:16:3e:00:00:07; "
           f"xenstore-chmod -r {front} n{guest.domid} r0")
    guest.says(f"warning: .*still waiting for {back}")
    waits(guest)
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
        web.serves(box)
    finally:
        box.sh(f"kill -CONT {daemon}")
    guest.xl("shutdown", "-w")


def test_a_vif_that_is_unplugged_and_plugged_in_serves_again(box):
    guest = web.start(box)
    guest.xl("network-detach", "0")
    guest.says(f"vif0: {STATIC_IP}/24 is gone")
    guest.xl("network-attach", "bridge=xenbr0", "script=vif-quick")
    web.wait(guest, times=2)
    web.serves(box)


def test_a_vif_with_another_MAC_gets_addresses_of_its_own(box):
    guest = web.start(box, cmdline="", address=DHCP_IP,
                      vif=["bridge=xenbr0,mac=00:16:3e:00:00:a1"])
    guest.says(r"fe80::216:3eff:fe00:a1/64 \(link-local\)")
    guest.xl("network-detach", "0")
    guest.says(f"vif0: {DHCP_IP}/24 is gone")
    guest.xl("network-attach", "bridge=xenbr0", "script=vif-quick",
             "mac=00:16:3e:00:00:a2")
    guest.says(r"net: vif0: 10\.0\.2\.[0-9]+/24 \(dhcp, lease", times=2)
    guest.says(r"fe80::216:3eff:fe00:a2/64 \(link-local\)")
    expect("(static)" not in guest.console(), "an address is called static")


def test_a_netback_that_starts_anew_serves_again(box):
    guest = web.start(box)
    vif = f"vif{guest.domid}.0"
    back = f"/local/domain/0/backend/vif/{guest.domid}/0"
    driver = "/sys/bus/xen-backend/drivers/vif"
    # The hotplug script's work is done here: it is not xl that plugs.
    box.sh(f"echo vif-{guest.domid}-0 >{driver}/unbind; "
           f"echo vif-{guest.domid}-0 >{driver}/bind; for i in $(seq 100); do "
           f"ip link set {vif} master xenbr0 2>/dev/null && break; sleep 0.1; "
           f"done; ip link set {vif} up; "
           f"xenstore-write {back}/hotplug-status connected")
    guest.says("vif0: down")
    guest.says("netfront: vif0: up", times=2)
    web.serves(box)
