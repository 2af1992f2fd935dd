# SPDX-License-Identifier: MIT
"""A Linux PV guest to compare with: dom0's own kernel and a few modules.

Its initrd is one static program of ours, /init, and the modules that the
program loads. Nothing of it is kept: the kernel is the box's.
"""

import os
import stat
import subprocess
import tempfile

from debian import Packages
from image import Modules, build, cpio, one
from paths import Failure, need_tools


def kernel(suite="bookworm"):
    """The path of dom0's kernel, unpacked: a PV guest's kernel= as well."""
    return os.path.join(build(suite), "vmlinux")


def modules(names, suite="bookworm"):
    """Modules of dom0's kernel: name -> contents, what they need included."""
    packages = Packages(suite)
    packages.fetch()
    path = one(os.path.join(packages.folder, "archives", "linux-image-[0-9]*"))
    with tempfile.TemporaryDirectory() as tree:
        os.makedirs(os.path.join(tree, "usr"))
        data = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", path],
                                stdout=subprocess.PIPE)
        done = subprocess.run(
            ["tar", "-x", "-C", os.path.join(tree, "usr"), "--no-same-owner",
             "./lib/modules"], stdin=data.stdout)
        data.stdout.close()
        if data.wait() or done.returncode:
            raise Failure(f"cannot unpack {os.path.basename(path)}")
        found = Modules(tree)
        for name in names:
            found.add(name)
    return found.order


def initrd(source, module_files):
    """An initrd whose /init is this C program, with these modules."""
    need_tools("gcc")
    with tempfile.TemporaryDirectory() as folder:
        output = os.path.join(folder, "init")
        subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra",
                        "-Werror", "-I.", "-static", "-s", "-o", output,
                        source], check=True)
        with open(output, "rb") as file:
            program = file.read()
    entries = {"dev": (stat.S_IFDIR | 0o755, b""),
               "init": (stat.S_IFREG | 0o755, program)}
    for name, data in module_files.items():
        entries[f"{name}.ko"] = (stat.S_IFREG | 0o644, data)
    return cpio(entries)
