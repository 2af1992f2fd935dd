# SPDX-License-Identifier: MIT
"""Fetches Debian packages of any suite and unpacks them, without root.

A private apt (own sources, lists, cache and an empty status file) resolves
and downloads; the system's apt is only asked where its archive is. What was
resolved is written to a manifest, which names the result.
"""

import os
import re
import subprocess

from paths import CACHE, HERE, Failure, digest, locked, need_tools, say

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ROLLING = ("sid", "unstable", "experimental")  # no -updates, no -security

# What no part of dom0 comes from; it is most of what there is to unpack.
UNWANTED = ("./usr/share/*", "./usr/lib/python3*", "./usr/lib/locale/*",
            "*/kernel/drivers/gpu/*", "*/kernel/drivers/media/*",
            "*/kernel/sound/*", "*/kernel/drivers/net/ethernet/*",
            "*/kernel/drivers/net/wireless/*", "*/kernel/drivers/scsi/*")


def wanted_packages():
    with open(os.path.join(HERE, "dom0", "packages")) as file:
        lines = [line.split("#")[0].strip() for line in file]
    return [line for line in lines if line]


def archive_sources(suite):
    """The system's Debian sources, as sources.list lines for `suite`."""
    query = subprocess.run(
        ["apt-get", "indextargets", "--format",
         "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
        capture_output=True, text=True, check=True)
    trust = f"[signed-by={KEYRING}] " if os.path.exists(KEYRING) else ""
    lines = set()
    for line in query.stdout.splitlines():
        uri, release, component = line.split()
        match = re.fullmatch(r"[a-z]+(|-updates|-security|/updates)", release)
        if component != "main" or not match:
            continue
        if suite in ROLLING and match[1]:
            continue
        lines.add(f"deb {trust}{uri} {suite}{match[1]} main")
    if not lines:
        raise Failure("apt has no Debian sources to fetch dom0 from: see "
                      "/etc/apt/sources.list")
    return sorted(lines)


def write_apt_configuration(folder, suite):
    os.makedirs(os.path.join(folder, "lists", "partial"), exist_ok=True)
    os.makedirs(os.path.join(folder, "archives", "partial"), exist_ok=True)
    open(os.path.join(folder, "status"), "w").close()
    with open(os.path.join(folder, "sources.list"), "w") as file:
        file.write("\n".join(archive_sources(suite)) + "\n")
    path = os.path.join(folder, "apt.conf")
    with open(path, "w") as file:
        file.write(f"""
Dir::State "{folder}";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferencesparts "-";
APT::Architecture "amd64";
APT::Architectures "amd64";
APT::Sandbox::User "";
APT::Install-Recommends "false";
Acquire::Languages "none";
""")
    return path


def apt(configuration, *arguments):
    done = subprocess.run(
        ["apt-get", "-q", *arguments], capture_output=True, text=True,
        env={**os.environ, "APT_CONFIG": configuration, "LC_ALL": "C"})
    if done.returncode:
        errors = [line for line in done.stderr.splitlines()
                  if line.startswith("E:")] or ["E: no reason given"]
        raise Failure(f"apt-get {arguments[0]} failed: {errors[0][3:]}")
    return done.stdout


class Packages:
    """One suite's packages: `files`, a list of .deb paths."""

    def __init__(self, suite):
        self.suite = suite
        self.folder = os.path.join(CACHE, "packages", suite)
        self.names = wanted_packages()
        self.manifest = os.path.join(self.folder,
                                     f"manifest-{digest(*self.names)}")

    def resolved(self):
        """The manifest's text, or None while there is none."""
        try:
            with open(self.manifest) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def fetch(self, refresh=False):
        need_tools("apt-get", "dpkg-deb", "tar")
        os.makedirs(self.folder, exist_ok=True)
        with locked(os.path.join(self.folder, "lock")):
            if refresh or not self.complete():
                self.resolve()

    def complete(self):
        return self.resolved() is not None and all(
            os.path.exists(path) for path in self.files())

    def resolve(self):
        say(f"asking the archive for {self.suite}'s packages")
        configuration = write_apt_configuration(self.folder, self.suite)
        apt(configuration, "update")
        uris = apt(configuration, "install", "-y", "--print-uris",
                   *self.names)
        files = re.findall(r"^'\S+' (\S+\.deb) (\d+)", uris, re.M)
        size = sum(int(size) for _, size in files)
        say(f"fetching {len(files)} packages, {size // 1000000} MB")
        apt(configuration, "install", "-y", "--download-only", *self.names)
        kept = os.path.join(self.folder, "archives")
        present = [name for name in os.listdir(kept) if name.endswith(".deb")]
        wanted = self.everything_named(configuration)
        for name in present:
            if name not in wanted:
                os.unlink(os.path.join(kept, name))
        with open(self.manifest + ".new", "w") as file:
            file.write("\n".join(sorted(wanted)) + "\n")
        os.rename(self.manifest + ".new", self.manifest)
        if not self.complete():
            raise Failure("apt-get did not fetch all it said it would")

    def everything_named(self, configuration):
        """File names of all packages, also of those already here."""
        simulated = apt(configuration, "install", "-y", "--simulate",
                        *self.names)
        found = re.findall(r"^Inst (\S+) \((\S+) .*\[(\w+)\]\)", simulated,
                           re.M)
        return {f"{name}_{version.replace(':', '%3a')}_{architecture}.deb"
                for name, version, architecture in found}

    def files(self):
        return [os.path.join(self.folder, "archives", name)
                for name in self.resolved().split()]

    def unpack(self, tree):
        """Unpack everything below `tree`, which has a merged /usr."""
        for name in ("bin", "sbin", "lib", "lib64"):
            os.makedirs(os.path.join(tree, "usr", name))
            os.symlink(f"usr/{name}", os.path.join(tree, name))
        exclude = [f"--exclude={pattern}" for pattern in UNWANTED]
        for path in self.files():
            data = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", path],
                                    stdout=subprocess.PIPE)
            done = subprocess.run(
                ["tar", "-x", "-C", tree, "--keep-directory-symlink",
                 "--no-same-owner", "--no-same-permissions", *exclude],
                stdin=data.stdout)
            data.stdout.close()
            if data.wait() or done.returncode:
                raise Failure(f"cannot unpack {os.path.basename(path)}")
