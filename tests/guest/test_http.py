# SPDX-License-Identifier: MIT
"""The web server, asked by curl and byte by byte through a forwarded port."""

import os
import re

import web
from rig import STATIC_IP, equal, expect

SECONDS = 40


def file_text(name):
    with open(os.path.join(web.WWW, name)) as file:
        return file.read()


def header(head, name):
    match = re.search(rf"^{name}: *(.*?)\r?$", head, re.M | re.I)
    return match[1] if match else None


def test_the_page_is_the_file_of_the_site(box):
    web.shared(box)
    equal(web.curl(box), file_text("index.html"), "the page")
    equal(web.curl(box, path="/style.css"), file_text("style.css"), "its style")


def test_types_and_lengths_are_told(box):
    web.shared(box)
    for path, kind in (("/", "text/html"), ("/style.css", "text/css"),
                       ("/favicon.svg", "image/svg+xml")):
        head = web.curl(box, "-D", "-", "-o", "/dev/null", path=path)
        expect((header(head, "content-type") or "").startswith(kind),
               f"{path} is no {kind}:\n{head}")
        name = "index.html" if path == "/" else path[1:]
        equal(int(header(head, "content-length")),
              len(file_text(name).encode()), f"length of {path}")


def test_a_connection_is_kept_alive(box):
    web.shared(box)
    out = web.curl(box, web.url(box), "-o", "/dev/null", "-o", "/dev/null",
                   "-w", "%{num_connects}\n")
    equal(out.split(), ["1", "0"], "new connections of two requests")


def test_a_connection_is_closed_when_asked(box):
    web.shared(box)
    with web.Raw(box) as raw:
        raw.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        equal(raw.answer()[0], 200, "status")
        expect(raw.at_end(), "it is still open")


def test_HTTP_1_0_is_answered_and_closed(box):
    web.shared(box)
    with web.Raw(box) as raw:
        raw.send("GET / HTTP/1.0\r\n\r\n")
        equal(raw.answer()[0], 200, "status")
        expect(raw.at_end(), "it is still open")


def test_pipelined_requests_are_answered_in_order(box):
    web.shared(box)
    paths = ["/", "/none", "/style.css", "/status", "/favicon.svg"] * 8
    with web.Raw(box) as raw:
        raw.send("".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"
                         for path in paths))
        for path in paths:
            code, _, body = raw.answer()
            equal(code, 404 if path == "/none" else 200, f"status of {path}")
            if path == "/style.css":
                equal(body.decode(), file_text("style.css"), path)


def test_a_request_may_come_byte_by_byte(box):
    web.shared(box)
    with web.Raw(box) as raw:
        for byte in "GET /style.css HTTP/1.1\r\nHost: x\r\n\r\n":
            raw.send(byte)
        equal(raw.answer()[2].decode(), file_text("style.css"), "its answer")


def test_HEAD_says_what_GET_would_and_sends_no_body(box):
    web.shared(box)
    head = web.curl(box, "-I")
    get = web.curl(box, "-D", "-", "-o", "/dev/null")
    for name in ("content-type", "content-length", "etag"):
        expect(header(get, name), f"GET tells no {name}")
        equal(header(head, name), header(get, name), name)
    with web.Raw(box) as raw:
        raw.send("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        raw.answer(has_body=False)
        expect(raw.at_end(), "HEAD has a body")


def test_an_ETag_that_still_holds_is_answered_304(box):
    web.shared(box)
    etag = header(web.curl(box, "-I"), "etag")
    equal(web.status(box, "-H", f"If-None-Match: {etag}"), 304, "same")
    equal(web.status(box, "-H", 'If-None-Match: "other"'), 200, "another")
    equal(web.curl(box, "-H", f"If-None-Match: {etag}"), "", "body of a 304")


def test_mistakes_are_answered_by_their_status(box):
    web.shared(box)
    host = "Host: x\r\n"
    for expected, request in (
            (404, f"GET /none HTTP/1.1\r\n{host}\r\n"),
            (400, f"GET /../../etc/passwd HTTP/1.1\r\n{host}\r\n"),
            (405, f"POST / HTTP/1.1\r\n{host}Content-Length: 2\r\n\r\nab"),
            (405, f"DELETE / HTTP/1.1\r\n{host}\r\n"),
            (400, "GET / HTTP/1.1\r\n\r\n"),
            (400, "nonsense\r\n\r\n"),
            (400, f"GET / HTTP/1.1\r\n{host}Content-Length: x\r\n\r\n"),
            (413, f"POST / HTTP/1.1\r\n{host}Content-Length: 9999999\r\n\r\n"),
            (414, f"GET /{'a' * 5000} HTTP/1.1\r\n{host}\r\n"),
            (431, f"GET / HTTP/1.1\r\n{host}X: {'a' * 9000}\r\n\r\n"),
            (501, f"BREW / HTTP/1.1\r\n{host}\r\n"),
            (505, f"GET / HTTP/3.0\r\n{host}\r\n")):
        seen = web.request_status(box, request)
        equal(seen, expected, f"status of {request[:40]!r}")


def test_a_request_that_is_never_finished_is_answered_408(box):
    web.shared(box)
    with web.Raw(box, within=60) as raw:
        raw.send("GET / HTTP/1.1\r\n")
        equal(raw.answer()[0], 408, "status")
        expect(raw.at_end(), "it is still open")


def test_the_status_page_is_HTML_with_numbers(box):
    web.shared(box)
    page = web.curl(box, path="/status")
    for text in ("<!doctype html>", "vif0", "</html>"):
        expect(text in page, f"/status lacks {text}")
    rows = dict(re.findall(r'<th scope="row">(.*?)<td>(.*)', page))
    for name, number in (("Memory in use", "[1-9][0-9.]* [KM]iB"),
                         ("Up for", "[0-9].* s"),
                         ("Connections accepted", "[1-9][0-9,]*")):
        expect(re.fullmatch(number, rows.get(name, "")),
               f"{name}: {rows.get(name)}")


METRIC = re.compile(r'[a-z0-9_]+(\{[a-z_]+="[^"]*"\})? [0-9.]+')


def test_the_metrics_are_in_the_Prometheus_format(box):
    web.shared(box)
    text = web.curl(box, path="/metrics")
    for line in text.splitlines():
        expect(line.startswith(("# HELP ", "# TYPE ")) or
               METRIC.fullmatch(line), f"no metric: {line}")
    for part in ("guest_uptime_seconds", "memory_used_bytes",
                 "vif_rx_bytes", "net_tcp_connections", "http_requests"):
        expect(f"xenolith_{part}" in text, f"/metrics lacks {part}")


def test_the_metrics_count_requests(box):
    web.shared(box)
    name = 'xenolith_http_requests_total{code="404"}'
    before = web.metrics(box).get(name, 0)
    for _ in range(3):
        equal(web.status(box, path="/none"), 404, "status")
    equal(web.metrics(box)[name] - before, 3, name)


def test_dom0_is_served_as_well(box):
    web.shared(box)
    equal(web.get(box), file_text("index.html"), "the page")
    out = box.client("load", STATIC_IP, 80, 10, 20, "/status", within=120)
    equal(out, "good=200\n", "whole answers")


def test_a_client_that_resets_leaves_nothing_behind(box):
    web.shared(box)
    for _ in range(20):
        with web.Raw(box) as raw:
            raw.send("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /status HTTP")
    web.settles(box, "xenolith_http_connections_open", 1)
