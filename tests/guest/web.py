# SPDX-License-Identifier: MIT
"""Talking to a web server in a guest, from this machine and from dom0."""

import os
import re
import select
import socket

from rig import ROOT, STATIC_IP, Failure, commands, equal, expect, retry, run

WWW = os.path.join(ROOT, "apps", "http", "www")
ON_XENBR0 = f"vif0.ip={STATIC_IP}/24"


def start(box, memory=4, cmdline=ON_XENBR0, address=STATIC_IP,
          vif=("bridge=xenbr0",), **keys):
    """An http guest that serves."""
    guest = box.create("http", memory=memory, vif=vif, cmdline=cmdline, **keys)
    wait(guest, address)
    return guest


def wait(guest, address=STATIC_IP, times=1):
    """Until it says that it serves at this address."""
    guest.says(f"http: http://{re.escape(address)}/", times=times)


def shared(box):
    """The web server that many tests ask."""
    return box.share("web", start)


def port(box, address=STATIC_IP):
    """The port of this machine that leads to it."""
    return box.ports[f"{address}:80"]


def url(box, path="/", address=STATIC_IP):
    return f"http://127.0.0.1:{port(box, address)}{path}"


def curl(box, *arguments, path="/", address=STATIC_IP, within=30):
    """What curl writes about a path; Failure if it fails."""
    return run(["curl", "-sS", "-m", str(within), *arguments,
                url(box, path, address)], within + 5).out


def status(box, *arguments, path="/"):
    """The status code that curl got."""
    return int(curl(box, "-o", "/dev/null", "-w", "%{http_code}", *arguments,
                    path=path))


def get(box, path="/", address=STATIC_IP, within=40):
    """The same from dom0, whose packets have blank checksums."""
    return box.client("get", address, 80, path, within=within)


def metrics(box):
    """The guest's numbers by name; those with labels by NAME{LABELS}."""
    lines = curl(box, path="/metrics").splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
            for line in lines if line and not line.startswith("#")}


class Raw:
    """A connection to the guest, byte by byte."""

    def __init__(self, box, within=30):
        self.socket = socket.create_connection(
            ("127.0.0.1", port(box)), commands.limit(within))
        self.stream = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()

    def send(self, text):
        self.socket.sendall(text if isinstance(text, bytes)
                            else text.encode("latin-1"))

    def answer(self, has_body=True):
        """The next answer: status, headers in lower case, body."""
        try:
            first = self.stream.readline().decode("latin-1")
            match = re.match(r"HTTP/1\.1 (\d\d\d) [A-Z]", first)
            if not match:
                raise Failure(f"not the first line of an answer: {first!r}")
            headers = {}
            for line in iter(self.stream.readline, b"\r\n"):
                expect(line, "the answer ends inside its head")
                name, value = line.decode("latin-1").split(":", 1)
                headers[name.lower()] = value.strip()
            length = int(headers.get("content-length", 0)) if has_body else 0
            body = self.stream.read(length)
        except OSError as error:
            raise Failure(f"no answer: {error}")
        expect(len(body) == length, "the body is shorter than announced")
        return int(match[1]), headers, body

    def is_silent(self, seconds):
        """True: nothing comes, for so long."""
        readable, _, _ = select.select([self.socket], [], [], seconds)
        return not readable

    def at_end(self):
        """True: the guest has closed, and nothing more comes."""
        try:
            return self.stream.read(1) == b""
        except ConnectionResetError:
            return True
        except OSError:
            return False


def request_status(box, text):
    """The status that answers a request given in full."""
    with Raw(box) as raw:
        raw.send(text)
        return raw.answer()[0]


def settles(box, name, most, within=60):
    """Wait until a number of /metrics is at most so much."""
    def look():
        seen = metrics(box)[name]
        expect(seen <= most, f"{name} is {seen}, expected at most {most}")
    retry(look, within)


def serves(box):
    """Ten requests in a row are answered."""
    for _ in range(10):
        equal(status(box), 200, "status")
