# SPDX-License-Identifier: MIT
"""What the toolstack asks for is done, and what an app does is noticed."""

import web
from rig import Failure, equal, expect

SECONDS = 60
BOX = {"vif_script": "vif-bridge"}


def hello(box, **keys):
    guest = box.create("hello", memory=1, **keys)
    guest.says("^Hello from Xenolith")
    return guest


def test_xl_shutdown_ends_it_in_order(box):
    guest = hello(box)
    guest.xl("shutdown", "-w")
    guest.ends()
    expect("the toolstack asks for a shutdown" in guest.console(),
           "it did not say why")


def test_xl_shutdown_ends_a_busy_server(box):
    guest = web.start(box)
    held = box.start_client("hold", web.STATIC_IP, 80, 50, 60)
    held.says("opened=50")
    guest.xl("shutdown", "-w")
    guest.ends()


def test_on_poweroff_preserve_keeps_the_ended_domain(box):
    guest = hello(box, on_poweroff="preserve")
    guest.xl("shutdown", "-w")
    guest.has_state("s")
    expect("c" not in guest.state(), "it crashed")


def test_xl_reboot_starts_it_anew(box):
    guest = hello(box)
    guest.xl("reboot")
    guest.has_new_domid()
    guest.says("^Hello from Xenolith", times=2)


def test_a_server_serves_after_a_reboot(box):
    guest = web.start(box)
    guest.xl("reboot")
    guest.has_new_domid()
    web.wait(guest, times=2)
    equal(web.status(box), 200, "status")


def test_xl_destroy_removes_it_and_leaves_nothing(box):
    guest = web.start(box)
    guest.xl("destroy")
    guest.ends()
    # The vif is the last to go: hotplug scripts run after the domain's end.
    box.sh(f"for i in $(seq 300); do [ -e /sys/class/net/vif{guest.domid}.0 ] "
           f"|| exit 0; sleep 0.1; done; ip link; exit 1")


def test_a_paused_server_is_silent_and_serves_again(box):
    guest = web.start(box)
    guest.xl("pause")
    try:
        web.curl(box, within=2)
    except Failure:
        pass
    else:
        raise Failure("a paused guest answers")
    guest.xl("unpause")
    equal(web.status(box), 200, "status after unpause")


def test_xl_sysrq_reaches_the_guest(box):
    guest = hello(box)
    guest.xl("sysrq", "s")
    guest.says("sysrq 's'")


def test_an_unknown_request_is_named_and_does_no_harm(box):
    guest = hello(box)
    box.sh(f"xenstore-write /local/domain/{guest.domid}/control/shutdown dance")
    guest.says("dance")
    guest.types("still here\n")
    guest.says("^still here")


def test_an_app_that_returns_powers_off(box):
    guest = box.create("selftest", memory=4, cmdline="test=return",
                       on_poweroff="preserve")
    guest.has_state("s")
    expect("c" not in guest.state(), "it crashed")
    guest.says("powering off")


def test_an_app_that_fails_says_its_status_and_powers_off(box):
    guest = box.create("selftest", memory=4, cmdline="test=exit3")
    guest.says("selftest failed with status 3")
    guest.ends()


def test_on_poweroff_restart_acts_when_the_app_returns(box):
    guest = box.create("selftest", memory=4, cmdline="test=return",
                       on_poweroff="restart")
    guest.has_new_domid()


def test_the_guest_announces_what_it_honours(box):
    guest = hello(box)
    guest.has_node("control/feature-poweroff", "^1$")
    guest.has_node("control/feature-reboot", "^1$")
