# SPDX-License-Identifier: MIT
"""Where the box keeps its things, and the few helpers every part needs."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def cache_folder():
    """In the tree; of the tools that are installed, the user's."""
    if os.path.exists(os.path.join(ROOT, "Makefile")):
        return os.path.join(ROOT, "build", "box")
    return os.path.join(os.environ.get("XDG_CACHE_HOME")
                        or os.path.expanduser("~/.cache"), "xenolith", "box")


CACHE = cache_folder()


def run_folder():
    """The folder in which every box has a folder of its name."""
    return os.path.abspath(os.environ.get("XENOLITH_BOX_RUN")
                           or os.path.join(CACHE, "run"))


class Failure(Exception):
    """A sentence for the user; xenbox prints it and exits with 1."""


def say(text):
    print(f"xenbox: {text}", file=sys.stderr, flush=True)


def need_tools(*names):
    """Fail with the first program that is not installed."""
    for name in names:
        if not shutil.which(name):
            raise Failure(f"{name} is not installed: run tools/setup, or "
                          "apt-get install qemu-system-x86 gcc binutils zstd")


def digest(*parts):
    """A short name for exactly these strings, bytes or files' contents."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            part = part.encode()
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()[:16]


def file_bytes(path):
    with open(path, "rb") as file:
        return file.read()


@contextlib.contextmanager
def locked(path):
    """Hold a lock file: one builder at a time, the others wait."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another xenbox, which makes the same thing")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def draft_of(folder):
    """A folder to fill, which then becomes `folder`; call with it locked."""
    draft = folder + ".draft"
    shutil.rmtree(draft, ignore_errors=True)
    os.makedirs(draft)
    try:
        yield draft
        os.rename(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def keep_newest(folder, count):
    """Remove all but the `count` entries of a cache used last."""
    entries = [os.path.join(folder, name) for name in os.listdir(folder)
               if not name.endswith((".lock", ".draft"))]
    entries.sort(key=os.path.getmtime, reverse=True)
    for path in entries[count:]:
        shutil.rmtree(path, ignore_errors=True)
