# SPDX-License-Identifier: MIT
"""What the toolstack asks for is done, and what an app does is noticed."""

import web
from rig import equal, expect, retry

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


def traces(box, guest):
    """What there is of a domain: one word each. A domain whose pages somebody
    still has stays in Xen's list, without a name."""
    domid, local = guest.domid, "/local/domain"
    return box.sh(
        f"xl list | awk '$2 == {domid} {{ print \"domain\" }}'; "
        f"[ ! -e /sys/class/net/vif{domid}.0 ] || echo vif; "
        f"! xenstore-exists {local}/{domid} || echo frontend; "
        f"! xenstore-exists {local}/0/backend/vif/{domid} || echo backend; "
        f"! xenstore-exists {local}/0/backend/console/{domid} || echo console; "
        f"! xenstore-exists /libxl/{domid} || echo libxl")


def test_xl_destroy_removes_it_and_leaves_nothing(box):
    guest = web.start(box)
    before = traces(box, guest)
    for what in ("domain", "vif", "frontend", "backend"):
        expect(what in before, f"there is no {what} to begin with: {before}")
    guest.xl("destroy")
    # The vif is the last to go: hotplug scripts run after the domain's end.
    retry(lambda: equal(traces(box, guest), "", "what it leaves"))


REQUEST = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def cpu_s(box, guest):
    """CPU time that Xen has given it, as xl shows it: seconds, a tenth of one
    is the least."""
    return box.sh(f"xl list {guest.name}").split()[-1]


def test_a_paused_server_is_silent_and_serves_again(box):
    guest = web.start(box)
    with web.Raw(box) as raw:
        raw.send(REQUEST)
        equal(raw.answer()[0], 200, "status before")
        guest.xl("pause")
        guest.has_state("p")
        before = cpu_s(box, guest)
        # It is the guest that does not answer: the same connection works
        # before and afterwards.
        raw.send(REQUEST)
        expect(raw.is_silent(2), "a paused guest answers")
        equal(cpu_s(box, guest), before, "CPU time while it is paused")
        guest.xl("unpause")
        equal(raw.answer()[0], 200, "status after unpause")
    expect("p" not in guest.state(), "it is still paused")
    equal(web.status(box), 200, "status of a new connection")


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
