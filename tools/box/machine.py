# SPDX-License-Identifier: MIT
"""Boxes: the qemu processes, their run folders, and their snapshots.

A box starts from a snapshot of a box of the same configuration that has just
booted. Guest memory is a file: the one that boots maps it shared, the ones
restored map it privately, so restoring reads nothing and boxes share pages.
Only the devices' state (about a megabyte) goes through qemu's migration.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import channel
import image
import relay
from paths import CACHE, Failure, digest, draft_of, file_bytes, \
    keep_newest, locked, need_tools, run_folder, say

QEMU = "qemu-system-x86_64"
SNAPSHOTS = os.path.join(CACHE, "snapshots")
SNAPSHOTS_KEPT = 6          # about 200 MB each
BOOT_SECONDS = 180          # a busy machine needs 30
DOM0_MEMORY = 512           # MB; save files and images live in it as well
LEAST_MEMORY = 768

# SMAP and SMEP: qemu 7.2 returns to ring 3 with supervisor rights and faults.
CPU = "max,-smap,-smep"

# xsave=0: TCG's XSAVE ignores CR0.TS, and Xen, which switches FPU state
# lazily, would leak one domain's registers into another.
# dom0 has one CPU, the first, whatever the box has: with more, their spinning
# on one another under emulation costs far more than they bring.
XEN_ARGUMENTS = ("console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all "
                 "xsave=0 spec-ctrl=no dom0_max_vcpus=1 "
                 f"dom0_mem={DOM0_MEMORY}M,max:{DOM0_MEMORY}M")

# norandmaps: TCG keeps translated code by virtual address. With programs at
# the same place every time, plugging a vif takes half as long.
DOM0_ARGUMENTS = ("console=hvc0 rdinit=/sbin/init mitigations=off "
                  "net.ifnames=0 norandmaps")
NETWORK = ("user,id=net,restrict=on,net=10.0.2.0/24,host=10.0.2.2,"
           "dns=10.0.2.3,dhcpstart=10.0.2.15,ipv6-prefix=fd00:2::,"
           "ipv6-prefixlen=64,ipv6-host=fd00:2::2,ipv6-dns=fd00:2::3")


class Options:
    """What makes two boxes the same: one snapshot serves them."""

    def __init__(self, cpus=1, memory=1536, deterministic=False,
                 hypervisor=None, suite="bookworm"):
        self.cpus = cpus
        self.memory = memory
        self.deterministic = deterministic
        self.hypervisor = hypervisor
        self.suite = suite
        if memory < LEAST_MEMORY:
            raise Failure(f"a box needs --memory {LEAST_MEMORY} at least: "
                          f"dom0 has {DOM0_MEMORY} of them")
        if cpus < 1 or (deterministic and cpus != 1):
            raise Failure("--deterministic has one CPU" if cpus > 1
                          else "a box has one CPU at least")

    def accelerator(self):
        if self.deterministic:
            return ["-accel", "tcg,thread=single",
                    "-icount", "shift=1,sleep=off", "-seed", "1",
                    "-rtc", "base=2026-01-01T00:00:00,clock=vm"]
        thread = "multi" if self.cpus > 1 else "single"
        return ["-accel", f"tcg,thread={thread}"]


def processor():
    """The host's CPU: a snapshot's clock counts its ticks."""
    match = re.search(r"^model name.*", file_bytes("/proc/cpuinfo").decode(),
                      re.M)
    return match[0] if match else ""


def qemu_arguments(options, memory, forwards=(), restored=False):
    """qemu's command line; its working directory is the run folder."""
    xen = XEN_ARGUMENTS
    if options.cpus > 1:
        xen += " dom0_vcpus_pin"
    network = NETWORK + "".join(
        f",hostfwd=tcp:127.0.0.1:{f.host_port}-{f.address}:{f.port}"
        for f in forwards if f.protocol == "tcp")
    arguments = [
        QEMU, "-nodefaults", "-no-user-config", "-display", "none",
        "-no-reboot", *options.accelerator(), "-machine", "pc", "-cpu", CPU,
        "-smp", str(options.cpus), "-m", str(options.memory),
        "-object", f"memory-backend-file,id=ram,size={options.memory}M,"
        f"{memory}", "-machine", "memory-backend=ram",
        "-kernel", "xen", "-append", xen,
        "-initrd", f"vmlinux {DOM0_ARGUMENTS},initrd",
        "-chardev", "file,id=log,path=serial.log,append=on",
        "-serial", "chardev:log",
        "-qmp", "unix:qmp,server=on,wait=off",
        "-netdev", network, "-device", "virtio-net-pci,netdev=net,romfile=",
        "-device", f"virtio-serial-pci,max_ports={channel.PORTS + 1}",
    ]
    for n in range(1, channel.PORTS + 1):
        arguments += ["-chardev", f"socket,id=port{n},path=port-{n},"
                      "server=on,wait=off",
                      "-device", f"virtserialport,chardev=port{n},nr={n},"
                      f"name=box.{n}"]
    if restored:
        arguments += ["-incoming", "defer"]
    return arguments


class Forward:
    """PROTOCOL:HOSTPORT:GUESTIP:PORT; host port 0 takes a free one.

    qemu listens for TCP itself. UDP is relayed by a process of ours, for
    which the socket is kept.
    """

    def __init__(self, text):
        match = re.fullmatch(r"(tcp|udp):(\d+):([\d.]+):(\d+)", text)
        if not match:
            raise Failure(f"--forward {text}: expected "
                          "tcp:HOSTPORT:GUESTIP:PORT or udp:...")
        self.protocol, self.address = match[1], match[3]
        self.port = int(match[4])
        self.socket = self.bind(int(match[2]))
        self.host_port = self.socket.getsockname()[1]
        if self.protocol == "tcp":
            self.socket.close()

    def bind(self, wanted):
        kind = (socket.SOCK_STREAM if self.protocol == "tcp"
                else socket.SOCK_DGRAM)
        bound = socket.socket(socket.AF_INET, kind)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR,
                         self.protocol == "tcp")
        try:
            bound.bind(("127.0.0.1", wanted))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "no such port"
            raise Failure(f"{self.protocol} port {wanted} of this machine "
                          f"cannot be forwarded: {reason}")
        return bound

    def __str__(self):
        return (f"{self.protocol}:{self.host_port}:{self.address}:"
                f"{self.port}")


# --- processes ----------------------------------------------------------------

def start_time(pid):
    """When a process started, or None if there is no such process."""
    try:
        fields = file_bytes(f"/proc/{pid}/stat").decode().rsplit(")", 1)[1]
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = fields.split()
    return None if fields[0] == "Z" else int(fields[19])


def end_process(pid, started):
    """End a process; started tells it from a later one of its number."""
    for attempt in range(300):
        if start_time(pid) != started:
            return
        if attempt in (0, 200):
            os.kill(pid, signal.SIGKILL if attempt else signal.SIGTERM)
        time.sleep(0.01)


class Monitor:
    """qemu's control socket (QMP)."""

    def __init__(self, folder):
        self.stream = channel.connect(folder, "qmp").makefile("rw")
        self.stream.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        json.dump({"execute": command, "arguments": arguments}, self.stream)
        self.stream.flush()
        for line in self.stream:
            answer = json.loads(line)
            if "error" in answer:
                raise Failure(f"qemu: {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
        raise Failure(f"qemu ended at {command}")


def die_with_parent():
    """For a child before it runs: no orphan when its parent is killed."""
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)      # PR_SET_PDEATHSIG


def start_qemu(folder, arguments, before_exec=None):
    for n in range(1, channel.PORTS + 1):
        open(os.path.join(folder, f"port-{n}.lock"), "ab").close()
    with open(os.path.join(folder, "qemu.log"), "ab") as log:
        process = subprocess.Popen(
            arguments, cwd=folder, stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, start_new_session=True, preexec_fn=before_exec)
    while not os.path.exists(os.path.join(folder, f"port-{channel.PORTS}")):
        if process.poll() is not None:
            break
        time.sleep(0.005)
    return process


def stop_qemu(process):
    if process and process.poll() is None:
        process.kill()
        process.wait()


def wait_for_dom0(folder, process, commands):
    """Until dom0 runs `commands` well; says why if it never does."""
    try:
        status, text = channel.capture(
            folder, ["bash", "-c", commands], number=1,
            deadline=time.monotonic() + BOOT_SECONDS)
        if status == 0:
            return
        reason = f"`{commands}` failed in dom0: {text.strip()}"
    except Failure as failure:
        reason = str(failure)
        if process.poll() is not None:
            reason = f"qemu ended with status {process.returncode}"
    raise Failure(f"Xen did not come up: {reason}\n{last_lines(folder)}")


def last_lines(folder, count=20):
    lines = []
    for name in ("serial.log", "qemu.log"):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            lines += file_bytes(path).decode(errors="replace").splitlines()
    return "\n".join(f"  | {line}" for line in lines[-count:])


# --- snapshots ----------------------------------------------------------------

class Image:
    """What a configuration boots, and the name of its snapshot."""

    def __init__(self, options, refresh=False):
        self.options = options
        self.folder = image.build(options.suite, refresh)
        self.xen = os.path.join(self.folder, "xen")
        if options.hypervisor:
            self.xen = self.store_hypervisor(options.hypervisor)
        version = subprocess.run([QEMU, "--version"], text=True, check=True,
                                 capture_output=True).stdout
        self.name = digest(
            os.path.basename(self.folder), file_bytes(self.xen), version,
            processor(), *qemu_arguments(options, ""))

    @staticmethod
    def store_hypervisor(path):
        if not os.path.isfile(path):
            raise Failure(f"no hypervisor {path}")
        data = image.hypervisor_elf(path)
        stored = os.path.join(CACHE, "hypervisors", digest(data))
        os.makedirs(os.path.dirname(stored), exist_ok=True)
        if not os.path.exists(stored):
            with open(stored, "wb") as file:
                file.write(data)
        return stored

    def link_into(self, folder):
        os.symlink(self.xen, os.path.join(folder, "xen"))
        for name in ("vmlinux", "initrd"):
            os.symlink(os.path.join(self.folder, name),
                       os.path.join(folder, name))

    def snapshot(self):
        """The snapshot's folder; boots a box to make it if need be."""
        folder = os.path.join(SNAPSHOTS, self.name)
        if not os.path.exists(folder):
            with locked(f"{folder}.lock"):
                self.make_snapshot(folder)
        os.utime(folder)
        return folder

    def make_snapshot(self, folder):
        if os.path.exists(folder):
            return                      # whom we waited for made it
        say("booting Xen once for the snapshot that boxes start from")
        with draft_of(folder) as draft:
            self.boot_and_freeze(draft)
        keep_newest(SNAPSHOTS, SNAPSHOTS_KEPT)

    def boot_and_freeze(self, folder):
        self.link_into(folder)
        process = start_qemu(folder, qemu_arguments(
            self.options, "mem-path=ram,share=on"), die_with_parent)
        try:
            wait_for_dom0(folder, process, "xl list")
            freeze(folder)
            process.wait()
        finally:
            stop_qemu(process)
        for name in os.listdir(folder):
            if name not in ("ram", "state", "serial.log"):
                os.unlink(os.path.join(folder, name))
        dig_holes(os.path.join(folder, "ram"))


def ignore_shared(monitor):
    """Leave guest memory out of a migration: the file holds it."""
    monitor.ask("migrate-set-capabilities", capabilities=[
        {"capability": "x-ignore-shared", "state": True}])


def thaw(folder):
    monitor = Monitor(folder)
    ignore_shared(monitor)
    monitor.ask("migrate-incoming", uri="exec:cat state")
    await_migration(monitor)
    monitor.ask("cont")


def freeze(folder):
    monitor = Monitor(folder)
    monitor.ask("stop")
    ignore_shared(monitor)
    monitor.ask("migrate", uri="exec:cat > state")
    await_migration(monitor)
    monitor.ask("quit")


def await_migration(monitor):
    while True:
        status = monitor.ask("query-migrate").get("status")
        if status == "completed":
            return
        if status == "failed":
            raise Failure("qemu could not save or restore the snapshot")
        time.sleep(0.005)


def dig_holes(path):
    """Give pages of zeros back to the disk."""
    if shutil.which("fallocate"):
        subprocess.run(["fallocate", "--dig-holes", path], check=False)


# --- boxes --------------------------------------------------------------------

class Box:
    """A box by its name, running or not."""

    def __init__(self, name):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise Failure(f"{name} cannot name a box: use letters, digits, "
                          "dots, dashes")
        self.name = name
        self.folder = os.path.join(run_folder(), name)

    def path(self, name):
        return os.path.join(self.folder, name)

    def state(self):
        try:
            with open(self.path("state.json")) as file:
                return json.load(file)
        except (FileNotFoundError, ValueError):
            return None

    def write_state(self, folder, pid, phase, forwards=(), relays=()):
        path = os.path.join(folder, "state.json")
        with open(path + ".new", "w") as file:
            json.dump({"pid": pid, "started": start_time(pid),
                       "phase": phase, "since": time.time(),
                       "forwards": [str(each) for each in forwards],
                       "relays": [(each, start_time(each))
                                  for each in relays]}, file)
        os.rename(path + ".new", path)

    def phase(self):
        """None (no box), "dead", "starting" or "up"."""
        state = self.state()
        if state is None:
            return "dead" if os.path.isdir(self.folder) else None
        if start_time(state["pid"]) != state["started"]:
            return "dead"
        return state["phase"]

    def running_folder(self):
        """The run folder of a box that is up."""
        phase = self.phase()
        if phase == "up":
            return self.folder
        hint = f"start it: tools/xenbox up --name {self.name}"
        if phase is None:
            raise Failure(f"no box {self.name}; {hint}")
        if phase == "starting":
            raise Failure(f"box {self.name} is still starting")
        raise Failure(f"box {self.name} is dead: its qemu ended\n"
                      f"{last_lines(self.folder)}\n(`tools/xenbox log` "
                      f"shows more, `tools/xenbox down` clears it away)")

    def claim(self):
        """Make the run folder ours, before anything runs in it."""
        os.makedirs(run_folder(), exist_ok=True)
        if self.phase() == "dead":
            self.clear()
        draft = tempfile.mkdtemp(prefix=".", dir=run_folder())
        try:
            self.write_state(draft, os.getpid(), "starting")
            os.rename(draft, self.folder)
        except OSError:
            shutil.rmtree(draft)
            raise Failure(f"box {self.name} is up already")

    def clear(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def up(self, options, forwards, fresh):
        need_tools(QEMU)
        forwards = [Forward(text) for text in forwards]
        self.claim()
        process = None
        try:
            source = Image(options)
            process = self.start(source, forwards, fresh)
            clock = ("" if options.deterministic
                     else f"date -s @{time.time():.0f} && ")
            wait_for_dom0(self.folder, process, f"{clock}xl list")
            relays = [relay.start(self.folder, each.socket, each.address,
                                  each.port)
                      for each in forwards if each.protocol == "udp"]
            self.write_state(self.folder, process.pid, "up", forwards, relays)
        except BaseException:
            stop_qemu(process)
            self.clear()
            raise
        return forwards

    def start(self, source, forwards, fresh):
        source.link_into(self.folder)
        if fresh:
            return self.start_qemu(qemu_arguments(
                source.options, "mem-path=ram,share=on", forwards))
        frozen = source.snapshot()
        os.symlink(os.path.join(frozen, "ram"), self.path("ram"))
        os.symlink(os.path.join(frozen, "state"), self.path("state"))
        shutil.copy(os.path.join(frozen, "serial.log"),
                    self.path("serial.log"))
        process = self.start_qemu(qemu_arguments(
            source.options, "mem-path=ram,share=off", forwards,
            restored=True))
        thaw(self.folder)
        return process

    def start_qemu(self, arguments):
        process = start_qemu(self.folder, arguments)
        if process.poll() is None:      # `down` finds it, whatever comes
            self.write_state(self.folder, process.pid, "starting")
        return process

    def down(self):
        """Stop it and clear away what is left; false if there was none."""
        state = self.state()
        if self.phase() is None:
            return False
        if state:
            end_process(state["pid"], state["started"])
            for pid, started in state.get("relays", []):
                end_process(pid, started)
        self.clear()
        return True


def all_boxes():
    if not os.path.isdir(run_folder()):
        return []
    return [Box(name) for name in sorted(os.listdir(run_folder()))
            if not name.startswith(".")]
