# SPDX-License-Identifier: MIT
"""Boxes and guests, as the guest tests see them.

Everything is asked of tools/xenbox, and everything has a time limit: what
takes longer is a Failure, which says what was waited for. Limits are generous,
since a busy machine is slow; what has visibly gone wrong (the guest is gone,
or panicked) is not waited for.
"""

import os
import re
import shlex
import signal
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, "build")
XENBOX = os.path.join(ROOT, "tools", "xenbox")
CLIENTS = os.path.join(BUILD, "guest-clients")

# The last line of a guest that has come to its own end.
END = ": (powering off|ending as crashed)"

WITHIN = 60             # seconds: the usual limit
STATIC_IP = "10.0.2.20"  # the address whose port 80 every box forwards
DHCP_IP = "10.0.2.15"   # what qemu's DHCP server hands out first; so is this
DOM0_IP = "10.0.2.10"

# Waits in dom0 until a guest has said something. $1 its domid, $2 its console
# log, $3 an extended regular expression, $4 how often it must match, $5
# seconds. Prints the lines that match. Exit status: 0 it did, 1 it did not in
# time, 2 the guest is gone, 3 it panicked. Processes are dear in dom0, so what
# rarely happens is looked at rarely.
AWAIT = r"""
id=$1 log=$2 pattern=$3 times=$4 end=$((SECONDS + $5)) turn=0 status=1
said() {
    [ "$(grep -aEc -- "$1" "$log" 2>/dev/null)" -ge "$2" ] 2>/dev/null
}
show() { grep -aE -- "$pattern" "$log"; exit 0; }
while ((SECONDS < end)); do
    said "$pattern" "$times" && show
    sleep 0.1
    ((++turn % 8)) && continue
    if said 'error: panic: ' 1; then status=3; break; fi
    if ! xenstore-exists "/local/domain/$id"; then status=2; break; fi
done
sleep 0.2
said "$pattern" "$times" && show
exit $status
"""

# Xen's own vif script takes most of the time that a guest takes to start and
# to end under emulation. This one does what matters; the tests of group
# `control` use Xen's.
VIF_SCRIPT = r"""#!/bin/sh
case $1 in
online)
    ip link set $vif master $(xenstore-read $XENBUS_PATH/bridge) &&
    ip link set $vif up &&
    xenstore-write $XENBUS_PATH/hotplug-status connected ;;
esac
"""

PREPARE = r"""
cat >/root/await
cat >/etc/xen/scripts/vif-quick <<'END'
%sEND
chmod +x /etc/xen/scripts/vif-quick
xl dmesg -c >/root/dmesg # would only hide what Xen says later
""" % VIF_SCRIPT


class Failure(Exception):
    """What a test expected and did not get."""


class Stopped(Exception):
    """The whole run is being stopped."""


# --- commands on this machine -------------------------------------------------

class Commands:
    """The commands that run now, so that all can be ended at once."""

    def __init__(self):
        self.lock = threading.Lock()
        self.running = set()
        self.stopped = False
        self.deadline = None            # of the whole run, time.monotonic()

    def start(self, arguments, **options):
        with self.lock:
            if self.stopped:
                raise Stopped
            process = subprocess.Popen(arguments, start_new_session=True,
                                       **options)
            self.running.add(process)
            return process

    def finished(self, process):
        with self.lock:
            self.running.discard(process)

    def limit(self, within):
        """How long a command may still take: never past the run's end."""
        if self.deadline is None:
            return within
        return max(1, min(within, self.deadline - time.monotonic()))

    def stop(self):
        """End all; each command's own thread waits for it."""
        with self.lock:
            self.stopped = True
            processes = list(self.running)
        for pause in (0.3, 3, 0):
            for process in processes:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM if pause
                                        else signal.SIGKILL)
            time.sleep(pause)


commands = Commands()


def end(process):
    """Ask a command to end, twice if need be, then make it."""
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        process.send_signal(number)
        try:
            process.communicate(timeout=3)
            return
        except subprocess.TimeoutExpired:
            pass


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err


def run(arguments, within=WITHIN, stdin=None, check=True):
    """Run a command to its end; Failure if it takes too long or fails."""
    shown = " ".join(shlex.quote(each) for each in arguments)
    if len(shown) > 300:
        shown = shown[:300] + "..."
    process = commands.start(
        arguments, stdin=subprocess.PIPE if stdin is not None
        else subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    try:
        out, err = process.communicate(stdin, timeout=commands.limit(within))
    except subprocess.TimeoutExpired:
        end(process)
        raise Failure(f"no end within {within} s: {shown}")
    finally:
        commands.finished(process)
    if commands.stopped:
        raise Stopped
    result = Result(process.returncode, out.decode(errors="replace"),
                    err.decode(errors="replace"))
    if check and result.status:
        raise Failure(f"status {result.status} of: {shown}\n"
                      f"{result.out}{result.err}".rstrip())
    return result


# --- boxes --------------------------------------------------------------------

class Box:
    """One Xen in a box, and the guests on it."""

    def __init__(self, name, memory=1536, vif_script="vif-quick"):
        self.name = name
        self.memory = memory
        self.vif_script = vif_script
        self.guests = []                # those of the present test
        self.shared = {}                # those that several tests use
        self.ports = {}                 # "ADDRESS:PORT" -> port here
        self.is_claimed = False         # something may run under our name
        self.is_up = False
        self.put_files = set()
        self.count = 0

    def xenbox(self, verb, *arguments, **options):
        return run([XENBOX, verb, "--name", self.name, *arguments], **options)

    def up(self):
        if self.is_up:
            return
        self.is_claimed = True
        forwards = [f"--forward=tcp:0:{STATIC_IP}:80",
                    f"--forward=tcp:0:{DHCP_IP}:80"]
        # From nothing this fetches and boots; another box may do so already.
        out = self.xenbox("up", "--memory", str(self.memory), *forwards,
                          within=600).out
        self.is_up = True
        for port, address in re.findall(r"^tcp:(\d+):(\S+)$", out, re.M):
            self.ports[address] = int(port)
        self.sh(PREPARE, stdin=AWAIT.encode())

    def down(self):
        """Safe at any time, also when the run is being stopped."""
        if self.is_claimed:
            subprocess.run([XENBOX, "down", "--name", self.name], timeout=60,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False)
        self.is_up = self.is_claimed = False
        self.guests, self.shared = [], {}
        self.put_files = set()

    def sh(self, command, within=WITHIN, check=True, stdin=None):
        """Run a shell command in dom0; returns what it wrote."""
        # A newer --name of `sh` takes all words after it: `--` ends options.
        result = self.xenbox("sh", "--", command, within=within + 5,
                             check=check, stdin=stdin)
        return result.out if check else result

    def bash(self, command, within=WITHIN, check=True):
        """The same for a script that may hang: dom0 ends it in time."""
        return self.sh(f"timeout {within} bash -c {shlex.quote(command)}",
                       within + 5, check)

    def put(self, local):
        """Copy a file to dom0's /root/, once; returns where it is."""
        remote = f"/root/{os.path.basename(local)}"
        if local not in self.put_files:
            self.xenbox("put", local, remote)
            self.put_files.add(local)
        return remote

    def client(self, name, *arguments, within=WITHIN, check=True):
        """Run a program of clients/ in dom0."""
        path = self.put(os.path.join(CLIENTS, name))
        words = " ".join(shlex.quote(str(each)) for each in arguments)
        return self.sh(f"timeout {within} {path} {words}", within + 5, check)

    def start_client(self, name, *arguments, within=WITHIN):
        """The same, in the background: a Background to wait for."""
        path = self.put(os.path.join(CLIENTS, name))
        words = " ".join(shlex.quote(str(each)) for each in arguments)
        self.count += 1
        return Background(self, f"/root/{name}-{self.count}",
                          f"timeout {within} {path} {words}")

    # --- guests

    def create(self, image, *, memory, paused=False, within=WITHIN, **keys):
        """`xl create` of build/IMAGE.elf, with these keys in its cfg."""
        self.count += 1
        if "vif" in keys:
            keys["vif"] = [f"{each},script={self.vif_script}"
                           for each in keys["vif"]]
        guest = Guest(self, image, f"{os.path.basename(image)}{self.count}")
        kernel = self.put(os.path.join(BUILD, f"{image}.elf"))
        keys = {"name": guest.name, "type": "pv", "kernel": kernel,
                "memory": memory, "on_crash": "preserve", **keys}
        text = "".join(f"{key} = {cfg_value(value)}\n"
                       for key, value in keys.items())
        self.guests.append(guest)
        cfg = f"/root/{guest.name}.cfg"
        # Paused until its domid is known: some are gone in no time.
        start = "" if paused else f" && xl unpause {guest.name}"
        out = self.sh(f"cat >{cfg} && timeout {within} xl create -q -p {cfg} "
                      f"&& xl domid {guest.name}{start}", within,
                      stdin=text.encode())
        guest.domid = int(out)
        return guest

    def share(self, key, make):
        """A guest for several tests; made by make(self) when there is none."""
        if key not in self.shared:
            guest = make(self)
            self.guests.remove(guest)
            self.shared[key] = guest
        return self.shared[key]

    def end_test(self):
        """Destroy what this test has started."""
        # Some are ending by themselves just now: what counts is that all go.
        for guest in self.guests:
            self.sh(f"while xl domid {guest.name}; do xl destroy {guest.name}; "
                    "sleep 0.1; done >/dev/null 2>&1")
        self.guests = []

    def report(self):
        """What is worth knowing after a failure."""
        if not self.is_up:
            return "the box is not up"
        parts = []
        try:
            for guest in [*self.guests, *self.shared.values()]:
                parts += [f"console of {guest.name}:",
                          indent(guest.console(), 60)]
            parts += ["xl dmesg:", indent(self.sh("xl dmesg", 20), 15),
                      "xl list:", indent(self.sh("xl list", 20), 20)]
        except Failure as failure:
            parts.append(f"(the box does not answer: {failure})")
        return "\n".join(parts)


class Background:
    """A command that runs in dom0 while the test does other things."""

    def __init__(self, box, path, command):
        self.box, self.path = box, path
        script = (f"{command} >{path}.out 2>&1 </dev/null; "
                  f"echo $? >{path}.part; mv {path}.part {path}.status")
        box.sh(f"setsid bash -c {shlex.quote(script)} >/dev/null 2>&1 "
               "</dev/null &")

    def output(self):
        return self.box.sh(f"cat {self.path}.out")

    def says(self, pattern, within=WITHIN):
        """Wait for its output to match."""
        self.box.sh(
            f"end=$((SECONDS + {within})); until grep -qE -- "
            f"{shlex.quote(pattern)} {self.path}.out; do sleep 0.1; "
            f"if ((SECONDS >= end)) || [ -e {self.path}.status ]; then "
            f"sleep 0.1; grep -qE -- {shlex.quote(pattern)} {self.path}.out "
            f"&& break; cat {self.path}.out; exit 1; fi; done", within)
        return re.search(pattern, self.output(), re.M)

    def ends(self, within=WITHIN, check=True):
        """Wait for its end; returns its output."""
        status = self.box.sh(
            f"end=$((SECONDS + {within})); while ((SECONDS < end)); do "
            f"[ -e {self.path}.status ] && break; sleep 0.2; done; "
            f"cat {self.path}.status {self.path}.out", within).split("\n", 1)
        if check and status[0] != "0":
            raise Failure(f"status {status[0]} of {self.path}:\n{status[1]}")
        return status[1]


def cfg_value(value):
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(cfg_value(each) for each in value) + "]"
    if isinstance(value, str):
        return "'" + value + "'"
    return str(value)


def indent(text, lines):
    return "\n".join("  | " + line for line in text.splitlines()[-lines:])


# --- guests -------------------------------------------------------------------

class Guest:
    def __init__(self, box, image, name):
        self.box, self.image, self.name = box, image, name
        self.domid = None
        self.log = f"/var/log/xen/console/guest-{name}.log"

    def says(self, pattern, times=1, within=WITHIN):
        """Wait for a line on its console; returns all that match. The pattern
        is one for grep -E and for Python alike."""
        result = self.box.sh(
            f"bash /root/await {self.domid} {self.log} {shlex.quote(pattern)} "
            f"{times} {within}", within, check=False)
        if result.status == 0:
            return [line for line in result.out.splitlines()
                    if re.search(pattern, line)]
        why = {1: f"did not say it within {within} s", 2: "is gone",
               3: "panicked"}.get(result.status, result.err)
        raise Failure(f"waiting for /{pattern}/: {self.name} {why}")

    def console(self):
        """Everything it has said so far."""
        out = self.box.sh(f"cat {self.log} 2>/dev/null || true")
        return out.replace("\r", "")

    def types(self, text, within=WITHIN):
        """Type at its console, through xenconsole."""
        self.box.sh(f"cat >/root/typed; {{ cat /root/typed; sleep 1; }} | "
                    f"timeout {within} xenconsole {self.domid} --interactive "
                    ">/dev/null || true", within, stdin=text.encode())

    def xl(self, verb, *arguments, within=WITHIN):
        words = " ".join(shlex.quote(each) for each in arguments)
        return self.box.sh(f"timeout {within} xl {verb} {self.name} {words}",
                           within)

    def ends(self, within=WITHIN):
        """Wait until its domain is no more."""
        self.box.sh(
            f"end=$((SECONDS + {within})); while xenstore-exists "
            f"/local/domain/{self.domid}; do sleep 0.1; "
            f"if ((SECONDS >= end)); then echo {self.name} still lives; "
            "exit 1; fi; done", within)

    def state(self):
        """Xen's letters for it: r, b, p, s, c, d, or "" when it is gone."""
        out = self.box.sh(f"xl list {self.name} 2>/dev/null || true")
        lines = out.splitlines()
        return lines[1].split()[4].replace("-", "") if len(lines) > 1 else ""

    def has_state(self, letter, within=WITHIN):
        """Wait until its state has this letter."""
        self.box.sh(
            f"end=$((SECONDS + {within})); until xl list {self.name} | "
            f"awk 'NR == 2 {{ print $5 }}' | grep -q {letter}; do sleep 0.1; "
            f"if ((SECONDS >= end)); then xl list; exit 1; fi; done", within)

    def has_new_domid(self, within=WITHIN):
        """Wait until its name belongs to another domain, and follow it."""
        out = self.box.sh(
            f"end=$((SECONDS + {within})); while ((SECONDS < end)); do "
            f"id=$(xl domid {self.name} 2>/dev/null); "
            f"if [ -n \"$id\" ] && [ \"$id\" != {self.domid} ]; then "
            f"echo $id; exit 0; fi; sleep 0.2; done; xl list; exit 1", within)
        self.domid = int(out)

    def node(self, path):
        """A value from its part of the xenstore, or None."""
        result = self.box.sh(
            f"xenstore-read /local/domain/{self.domid}/{path}", check=False)
        return result.out.rstrip("\n") if result.status == 0 else None

    def has_node(self, path, pattern, within=WITHIN):
        """Wait until a node's value matches; returns it."""
        whole = f"/local/domain/{self.domid}/{path}"
        return self.box.sh(
            f"end=$((SECONDS + {within})); until xenstore-read {whole} "
            f"2>/dev/null | grep -E -- {shlex.quote(pattern)}; do sleep 0.1; "
            f"if ((SECONDS >= end)); then echo {whole} is not "
            f"{shlex.quote(pattern)}; xenstore-ls /local/domain/{self.domid}; "
            "exit 1; fi; done", within).strip()


# --- what tests say -----------------------------------------------------------

def soak(function):
    """A test for `run --soak`: it takes long."""
    function.is_soak = True
    return function


def expect(condition, text):
    if not condition:
        raise Failure(text)


def equal(seen, expected, what="value"):
    if seen != expected:
        raise Failure(f"{what}: expected {expected!r}, got {seen!r}")


def retry(what, within=WITHIN, every=0.2):
    """Call `what` until it raises no Failure."""
    end_time = time.monotonic() + commands.limit(within)
    while True:
        try:
            return what()
        except Failure:
            if time.monotonic() > end_time:
                raise
            time.sleep(every)
