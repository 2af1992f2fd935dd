# SPDX-License-Identifier: MIT
"""Makes what QEMU boots: Xen, dom0's kernel and dom0's initrd.

The initrd holds the files that `dom0/files` names, the libraries they need,
busybox for everything else, the `dom0/overlay` tree, and our own programs. It
is not compressed, and the kernel is taken out of its bzImage: unpacking is dear
under emulation. An image is named by a digest of all it is made from.
"""

import glob
import gzip
import lzma
import os
import re
import shutil
import stat
import struct
import subprocess
import tempfile
import zlib

from debian import Packages
from paths import CACHE, HERE, Failure, digest, draft_of, file_bytes, \
    keep_newest, locked, need_tools, say

IMAGES = os.path.join(CACHE, "images")
IMAGES_KEPT = 4             # 70 MB each: a few suites or working copies
OUR_PROGRAMS = ("agent.c", "domtime.c", "udprelay.c")
LIBRARY_FOLDERS = ("usr/lib/x86_64-linux-gnu", "usr/lib",
                   "usr/lib/x86_64-linux-gnu/xen-*/lib")


# --- the kernel ---------------------------------------------------------------

def unzstd(data):
    need_tools("zstd")
    return subprocess.run(["zstd", "-dcq"], input=data, capture_output=True,
                          check=True).stdout


UNPACKERS = {
    b"\xfd7zXZ": lambda data: lzma.LZMADecompressor().decompress(data),
    b"\x1f\x8b": lambda data: zlib.decompressobj(31).decompress(data),
    b"\x28\xb5\x2f\xfd": lambda data: unzstd(data[:-4]),  # size: 4 bytes
}


def vmlinux(bzimage):
    """The ELF file inside a bzImage (Linux: Documentation/arch/x86/boot)."""
    setup_sectors = bzimage[0x1f1] or 4
    offset, length = struct.unpack_from("<II", bzimage, 0x248)
    offset += (setup_sectors + 1) * 512
    payload = bzimage[offset:offset + length]
    for magic, unpack in UNPACKERS.items():
        if payload.startswith(magic):
            return unpack(payload)
    raise Failure("dom0's kernel is compressed in an unknown way")


def hypervisor_elf(path):
    """Xen's bootable 32-bit multiboot ELF, from a file that may be gzipped."""
    data = file_bytes(path)
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    if data[:4] != b"\x7fELF" or data[4] != 1:
        raise Failure(f"{path} is not a bootable Xen (xen.gz, or the 32-bit "
                      "ELF file inside it)")
    return data


# --- modules ------------------------------------------------------------------

class Modules:
    """Kernel modules in load order, each after what it depends on."""

    def __init__(self, tree):
        found = glob.glob(f"{tree}/usr/lib/modules/*/kernel/**/*.ko*",
                          recursive=True)
        self.paths = {self.name(path): path for path in found}
        self.builtin = set()
        for path in glob.glob(f"{tree}/usr/lib/modules/*/modules.builtin"):
            with open(path) as file:
                self.builtin.update(self.name(line.strip()) for line in file)
        self.order = {}

    @staticmethod
    def name(path):
        return os.path.basename(path).split(".ko")[0].replace("-", "_")

    def read(self, path):
        data = file_bytes(path)
        return lzma.decompress(data) if path.endswith(".xz") else data

    def add(self, name):
        name = name.replace("-", "_")
        if name in self.order or name in self.builtin:
            return
        if name not in self.paths:
            raise Failure(f"dom0's kernel has no module {name}")
        data = self.read(self.paths[name])
        for depends in re.findall(rb"\0depends=([^\0]*)\0", data):
            for other in depends.decode().split(","):
                if other:
                    self.add(other)
        self.order[name] = data


# --- the initrd ---------------------------------------------------------------

class Tree:
    """The initrd's files: path -> (mode, contents)."""

    def __init__(self, source):
        self.source = source
        self.entries = {}
        self.origins = {}                   # path -> the file it came from
        for folder in ("bin", "sbin", "lib", "lib64"):
            self.link(folder, f"usr/{folder}")
        for folder in ("dev", "proc", "sys", "run", "root", "tmp", "mnt",
                       "usr/bin", "usr/sbin", "usr/lib",
                       "etc", "var/lib/xen", "var/log"):
            self.folder(folder)
        self.link("var/run", "/run")
        self.link("var/lock", "/run/lock")

    def folder(self, path):
        while path and path not in self.entries:
            self.entries[path] = (stat.S_IFDIR | 0o755, b"")
            path = os.path.dirname(path)

    def link(self, path, target):
        self.folder(os.path.dirname(path))
        self.entries[path] = (stat.S_IFLNK | 0o777, target.encode())

    def file(self, path, data, executable):
        self.folder(os.path.dirname(path))
        mode = 0o755 if executable else 0o644
        self.entries[path] = (stat.S_IFREG | mode, data)

    def copy(self, real, path):
        if os.path.islink(real):
            self.link(path, os.readlink(real))
        elif os.path.isfile(real):
            self.file(path, file_bytes(real), os.access(real, os.X_OK))
            self.origins[path] = real

    def add(self, pattern, folder=None):
        """Take what matches, and what links among it point to."""
        found = glob.glob(os.path.join(self.source, pattern))
        if not found:
            raise Failure(f"dom0/files: nothing matches {pattern}")
        for real in found:
            path = os.path.relpath(real, self.source)
            if folder:
                path = os.path.join(folder, os.path.basename(path))
            if path in self.entries:
                continue
            self.copy(real, path)
            if os.path.islink(real):
                target = os.readlink(real)
                if not target.startswith("/"):
                    target = os.path.join(os.path.dirname(path), target)
                self.add(merged(os.path.normpath(target.lstrip("/"))))

    def overlay(self, folder):
        for at, _, names in os.walk(folder):
            for name in names:
                real = os.path.join(at, name)
                self.copy(real, merged(os.path.relpath(real, folder)))

    def names(self):
        return {os.path.basename(path) for path in self.entries
                if path.startswith(("usr/bin/", "usr/sbin/"))}


def merged(path):
    """The path below /usr of what older packages put beside it."""
    if path.split("/")[0] in ("bin", "sbin", "lib", "lib64"):
        return f"usr/{path}"
    return path


def add_libraries(tree):
    """Add the shared libraries of every program, and theirs in turn."""
    seen, queue = set(), list(tree.entries)
    while queue:
        elfs = [tree.origins[path] for path in queue
                if tree.entries[path][1].startswith(b"\x7fELF")]
        queue = []
        if not elfs:
            continue
        listing = subprocess.run(["readelf", "-dW", *elfs], text=True,
                                 capture_output=True, check=True).stdout
        needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", listing))
        for name in needed - seen:
            before = set(tree.entries)
            add_library(tree, name)
            queue += set(tree.entries) - before
        seen |= needed


def add_library(tree, name):
    for folder in LIBRARY_FOLDERS:
        if glob.glob(os.path.join(tree.source, folder, name)):
            tree.add(os.path.join(folder, name))
            return
    raise Failure(f"no package of dom0 has the library {name}")


def add_listed(tree):
    """Everything `dom0/files` names; returns the modules."""
    modules = Modules(tree.source)
    with open(os.path.join(HERE, "dom0", "files")) as file:
        for line in file:
            words = line.split("#")[0].split()
            if not words:
                continue
            if words[0] == "module":
                modules.add(words[1])
            else:
                tree.add(*words)
    return modules


def add_commands(tree):
    """Xen's tools on PATH, and a busybox applet for every free name."""
    for path in list(tree.entries):
        if re.match(r"usr/lib/xen-[^/]+/bin/", path):
            tree.link(f"usr/sbin/{os.path.basename(path)}", f"/{path}")
    busybox = os.path.join(tree.source, "usr/bin/busybox")
    applets = subprocess.run([busybox, "--list"], text=True, check=True,
                             capture_output=True).stdout.split()
    for applet in set(applets) - tree.names():
        tree.link(f"usr/bin/{applet}", "busybox")
    tree.link("usr/sbin/init", "../bin/busybox")


def compiled(source):
    """Our own program: static, so that it suits every suite's dom0."""
    with tempfile.TemporaryDirectory() as folder:
        output = os.path.join(folder, "program")
        subprocess.run(["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra",
                        "-Werror", "-static", "-s", "-o", output,
                        os.path.join(HERE, source)], check=True)
        return file_bytes(output)


def cpio(entries):
    """The newc archive that Linux unpacks as its first file system."""
    parts = []

    def member(number, path, mode, data, device=(0, 0)):
        name = path.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device,
                  len(name), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        parts.append(header + name + bytes(-(len(header) + len(name)) % 4))
        parts.append(data + bytes(-len(data) % 4))

    for number, path in enumerate(sorted(entries), 1):
        mode, data = entries[path]
        member(number, path, mode, data)
    member(0, "dev/console", stat.S_IFCHR | 0o600, b"", (5, 1))
    member(0, "TRAILER!!!", 0, b"")
    return b"".join(parts)


def initrd(source):
    tree = Tree(source)
    modules = add_listed(tree)
    add_libraries(tree)
    for name, data in modules.order.items():
        tree.file(f"usr/lib/modules/{name}.ko", data, False)
    order = "".join(f"{name}\n" for name in modules.order)
    tree.file("usr/lib/modules/order", order.encode(), False)
    add_commands(tree)
    tree.overlay(os.path.join(HERE, "dom0", "overlay"))
    for source in OUR_PROGRAMS:
        tree.file(f"usr/sbin/{source[:-2]}", compiled(source), True)
    return cpio(tree.entries)


# --- the image ----------------------------------------------------------------

def input_digest(packages):
    """The name of the image that the present inputs make."""
    inputs = [os.path.join(HERE, name)
              for name in (*OUR_PROGRAMS, "image.py", "debian.py")]
    for at, _, names in os.walk(os.path.join(HERE, "dom0")):
        inputs += [os.path.join(at, name) for name in names]
    parts = [packages.resolved()]
    for path in sorted(inputs):
        parts.append(os.path.relpath(path, HERE))
        if os.path.islink(path):
            parts.append(os.readlink(path))
        else:
            parts += [file_bytes(path), str(os.access(path, os.X_OK))]
    return digest(*parts)


def one(pattern):
    found = sorted(glob.glob(pattern))
    if not found:
        raise Failure(f"no package of dom0 has {os.path.basename(pattern)}")
    return found[-1]


def assemble(packages, folder):
    source = os.path.join(folder, "source")
    say("unpacking them")
    packages.unpack(source)
    say("making dom0's kernel and initrd")
    parts = {
        "xen": hypervisor_elf(one(f"{source}/boot/xen-*-amd64.gz")),
        "vmlinux": vmlinux(file_bytes(one(f"{source}/boot/vmlinuz-*"))),
        "initrd": initrd(source),
    }
    for name, data in parts.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
    shutil.rmtree(source)


def build(suite, refresh=False):
    """Make the image of a suite if need be; returns its folder."""
    packages = Packages(suite)
    if refresh or packages.resolved() is None:
        packages.fetch(refresh)
    folder = os.path.join(IMAGES, input_digest(packages))
    if os.path.exists(folder):
        os.utime(folder)
        return folder
    need_tools("gcc", "readelf")
    with locked(os.path.join(IMAGES, "build.lock")):
        if not os.path.exists(folder):
            packages.fetch()
            with draft_of(folder) as draft:
                assemble(packages, draft)
            keep_newest(IMAGES, IMAGES_KEPT)
    return folder
