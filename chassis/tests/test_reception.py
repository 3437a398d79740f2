"""What a service answers to bytes that are no request, over a real socket."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, Request

from chassis import reception
from chassis.app import create_app, server_of
from chassis.testing import VERIFIER, settings_in
from chassis.tests import shop

HOST = b"Host: a\r\n"
GET = b"GET /echo HTTP/1.1\r\n" + HOST
POST = b"POST /echo HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SOCKET = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
VERSION = b"Sec-WebSocket-Version: 13\r\n"

UNREADABLE = {
    "words": (400, b"hello there\r\n\r\n"),
    "bytes": (400, b"\x00\x01\x02\r\n\r\n"),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "the preface of HTTP/2": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/0.9": (400, b"GET /\r\n"),
    "HTTP/0.9 in words": (400, b"GET / HTTP/0.9\r\n\r\n"),
    "HTTP/2.0": (400, b"GET / HTTP/2.0\r\n" + HOST + b"\r\n"),
    "HTTP/1.2": (400, b"GET / HTTP/1.2\r\n" + HOST + b"\r\n"),
    "HTTP/3.7": (400, b"GET / HTTP/3.7\r\n" + HOST + b"\r\n"),
    "a method of nobody's": (405, b"BREW /echo HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a method in lower case": (405, b"get /echo HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a method with NUL": (400, b"G\x00T / HTTP/1.1\r\n" + HOST + b"\r\n"),
    "CONNECT": (405, b"CONNECT b:443 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "tabs for spaces": (400, b"GET\t/\tHTTP/1.1\r\n" + HOST + b"\r\n"),
    "no host": (400, b"GET /echo HTTP/1.1\r\n\r\n"),
    "two hosts": (400, GET + b"Host: b\r\n\r\n"),
    "the same host twice": (400, GET + HOST + b"\r\n"),
    "a folded header": (400, GET + b"X: a\r\n b\r\n\r\n"),
    "a folded first header": (400, b"GET / HTTP/1.1\r\n X: a\r\n" + HOST + b"\r\n"),
    "a space before the colon": (400, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    "a control character": (400, GET + b"X: a\x01b\r\n\r\n"),
    "NUL in a header": (400, GET + b"X: a\x00b\r\n\r\n"),
    "a bare CR": (400, GET + b"X: a\rb\r\n\r\n"),
    "bare LFs": (400, b"GET /echo HTTP/1.1\nHost: a\n\n"),
    "a header's name with brackets": (400, GET + b"X(): a\r\n\r\n"),
    "a header's name that is not ASCII": (400, GET + b"X-\xc3\xa9: a\r\n\r\n"),
    "a header without a name": (400, GET + b": a\r\n\r\n"),
    "a header without a colon": (400, GET + b"abc\r\n\r\n"),
    "a length in words": (400, POST + b"Content-Length: abc\r\n\r\n"),
    "a negative length": (400, POST + b"Content-Length: -1\r\n\r\n"),
    "a signed length": (400, POST + b"Content-Length: +1\r\n\r\nx"),
    "no length": (400, POST + b"Content-Length: \r\n\r\n"),
    "an endless length": (400, POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n"),
    "two lengths": (400, POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    "the same length twice": (400, POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na"),
    "a list of lengths": (400, POST + b"Content-Length: 1, 1\r\n\r\na"),
    "a length and chunks": (
        400,
        POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "chunks and a length": (
        400,
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
    ),
    "gzip as framing": (400, POST + b"Transfer-Encoding: gzip\r\n\r\n"),
    "gzip in chunks": (400, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "chunks in gzip": (400, POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    "chunks twice": (
        400,
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "something like chunks": (400, POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "chunks in HTTP/1.0": (
        400,
        b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "a chunk's size in words": (400, CHUNKED + b"zz\r\n"),
    "a chunk's negative size": (400, CHUNKED + b"-1\r\n"),
    "a chunk's endless size": (400, CHUNKED + b"f" * 20 + b"\r\n"),
    "a chunk that is too long": (400, CHUNKED + b"1\r\nab\r\n0\r\n\r\n"),
    "a chunk that ends in LF": (400, CHUNKED + b"1\na\n0\n\n"),
    "a fragment": (400, b"GET /echo#there HTTP/1.1\r\n" + HOST + b"\r\n"),
    "bytes in the address": (400, b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a control character in the address": (400, b"GET /a\x01 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a space in the address": (400, b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n"),
    "bytes in the query": (400, b"GET /echo?x=\xff HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a relative address": (400, b"GET echo HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a star": (400, b"GET * HTTP/1.1\r\n" + HOST + b"\r\n"),
    "another scheme": (400, b"GET ftp://a/echo HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a user in the address": (400, b"GET http://u:p@a/echo HTTP/1.1\r\n" + HOST + b"\r\n"),
    "no host in the address": (400, b"GET http:///echo HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a long address": (414, b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a very long address": (414, b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a long header": (431, GET + b"X: " + b"a" * 300_000 + b"\r\n\r\n"),
    "many headers": (431, GET + b"X: a\r\n" * 20_000 + b"\r\n"),
    "long trailers": (431, CHUNKED + b"1\r\na\r\n0\r\nX: " + b"a" * 600_000),
    "a WebSocket by POST": (
        400,
        SOCKET.replace(b"GET", b"POST") + KEY + VERSION + b"Content-Length: 2\r\n\r\nab",
    ),
    "a WebSocket without a key": (400, SOCKET + VERSION + b"\r\n"),
    "a WebSocket with a bad key": (400, SOCKET + VERSION + b"Sec-WebSocket-Key: a\r\n\r\n"),
    "an old WebSocket": (426, SOCKET + KEY + b"Sec-WebSocket-Version: 8\r\n\r\n"),
    "a WebSocket with long headers": (
        431,
        SOCKET + KEY + VERSION + b"X: " + b"a" * 9000 + b"\r\n\r\n",
    ),
    "a WebSocket with many headers": (431, SOCKET + KEY + VERSION + b"X: a\r\n" * 130 + b"\r\n"),
    "a WebSocket at a long address": (
        414,
        SOCKET.replace(b"/ws", b"/" + b"a" * 9000) + KEY + VERSION + b"\r\n",
    ),
}
BAD_HOSTS = (
    b"",
    b"evil/..",
    b"a b",
    b"a,b",
    b"[::1",
    b"[::1]x",
    b"[::g]",
    b"[fe80::1%25eth0]",
    b"::1",
    b"a:99999",
    b"a:0",
    b"a:-1",
    b"a:x",
    b"a:80:80",
    b"user@x",
    b"a..b",
    b".a",
    b"-a",
    b"a?b",
    b"a#b",
    b"a\\b",
    b"a%41",
    b"<a>",
    b'a"b',
    b"caf\xc3\xa9.example",
    b"999.1.1.1",
    b"1.2.3",
    b"a" * 64,
    b"a." * 130 + b"a",
)
GOOD_HOSTS = (
    b"a",
    b"A.Example",
    b"a.example.",
    b"a.example:8080",
    b"web_1",
    b"catalog-1.svc.cluster.local:80",
    b"127.0.0.1",
    b"127.0.0.1:8080",
    b"[::1]",
    b"[::1]:8080",
    b"[2001:db8::1:2]",
    b"xn--caf-dma.example",
    b" a \t",
)


@dataclass
class Told:
    """Everything that came on a connection, up to its end."""

    raw: bytes

    @property
    def status(self) -> int:
        """Return the status of the first answer."""
        return int(self.raw.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of the last answer."""
        head = self.raw.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")[0].decode()
        return dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])

    @property
    def body(self) -> Any:
        """Return the body of the last answer."""
        return json.loads(self.raw.rpartition(b"\r\n\r\n")[2])


class Port:
    """Where the service listens."""

    def __init__(self, number: int) -> None:
        self.number = number

    async def tell(self, sent: bytes) -> Told:
        """Send bytes and return what came until the server closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.number)
        try:
            writer.write(sent)
            async with asyncio.timeout(20):
                return Told(await reader.read())
        finally:
            writer.close()

    async def ask(self, sent: bytes) -> Told:
        """Send a request, and wish for no other."""
        head, _, rest = sent.partition(b"\r\n\r\n")
        return await self.tell(head + b"\r\nConnection: close\r\n\r\n" + rest)


def _echo() -> APIRouter:
    router = APIRouter()

    @router.api_route("/echo", methods=["GET", "POST"])
    async def echo(request: Request) -> dict[str, Any]:
        body = await request.body()
        headers = {name: request.headers.getlist(name) for name in request.headers}
        return {"path": request.scope["path"], "headers": headers, "body": body.decode()}

    return router


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    """Serve the small service as any other is served."""
    service = replace(
        shop.build(tmp_path),
        routers=[_echo()],
        verifier=VERIFIER,
        settings=settings_in(tmp_path, service_port=0, drain_seconds=0),
    )
    server = server_of(service, create_app(service, background=False))
    task = asyncio.create_task(server._serve())
    async with asyncio.timeout(10):
        while not server.started:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)
    yield Port(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    await asyncio.wait_for(task, 10)


@pytest.fixture(autouse=True)
def _no_trace_in_the_log(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.INFO)
    yield
    loud = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING or r.exc_info]
    assert loud == []


def is_problem(told: Told, status: int) -> bool:
    """Tell whether the last answer is a problem of this status, and the connection's last word."""
    body, headers = told.body, told.headers
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert set(body) >= {"type", "title", "status", "detail", "instance", "traceId", "code"}
    assert int(body["traceId"], 16) > 0
    return int(body["status"]) == status


async def test_what_is_no_request_is_a_problem(port: Port) -> None:
    for kind, (status, sent) in UNREADABLE.items():
        told = await port.tell(sent)
        assert told.status == status, kind
        assert is_problem(told, status), kind
        assert told.raw.count(b"HTTP/1.1 ") == 1, kind


async def test_bytes_that_come_one_by_one_are_refused_alike(port: Port) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
    with contextlib.suppress(ConnectionError):
        for byte in GET + b"X: a\x01b\r\n\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
    async with asyncio.timeout(20):
        assert is_problem(Told(await reader.read()), 400)
    writer.close()


async def test_an_unknown_method_learns_of_those_there_are(port: Port) -> None:
    for sent in (UNREADABLE["a method of nobody's"], UNREADABLE["CONNECT"]):
        assert "GET, HEAD".lower() in (await port.tell(sent[1])).headers["allow"]


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_a_host_that_is_none_is_refused(version: bytes, port: Port) -> None:
    for host in BAD_HOSTS:
        told = await port.tell(b"GET /echo HTTP/%s\r\nHost: %s\r\n\r\n" % (version, host))
        assert is_problem(told, 400), host


async def test_a_host_is_a_name_or_an_address(port: Port) -> None:
    for host in GOOD_HOSTS:
        told = await port.ask(b"GET /echo HTTP/1.1\r\nHost: %s\r\n\r\n" % host)
        assert told.status == 200, host
        assert told.body["headers"]["host"] == [host.strip().decode()]


async def test_http_1_0_needs_no_host(port: Port) -> None:
    assert (await port.tell(b"GET /echo HTTP/1.0\r\n\r\n")).status == 200


async def test_the_host_of_a_whole_address_wins(port: Port) -> None:
    for path in (b"/echo", b"/echo?a=b"):
        told = await port.ask(b"GET http://shop.example" + path + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        assert told.body["headers"]["host"] == ["shop.example"]
    assert (await port.ask(b"GET http://a HTTP/1.1\r\n" + HOST + b"\r\n")).status == 404


async def test_what_comes_after_the_body_is_no_header(port: Port) -> None:
    sent = b"1\r\na\r\n0\r\nHost: evil\r\nX-API-Key: other\r\n\r\n"
    told = await port.ask(CHUNKED + sent)
    assert told.body["headers"]["host"] == ["a"]
    assert "x-api-key" not in told.body["headers"]
    assert told.body["body"] == "a"


async def test_a_wish_for_http_2_costs_no_body(port: Port) -> None:
    wish = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    first = POST + wish + b"Content-Length: 2\r\n\r\nab"
    told = await port.tell(first + POST + b"Connection: close\r\nContent-Length: 1\r\n\r\nc")
    assert told.raw.count(b"HTTP/1.1 200") == 2
    assert b'"body":"ab"' in told.raw
    assert told.body["body"] == "c"


async def test_what_came_before_is_answered_first(port: Port) -> None:
    good = POST + b"Content-Length: 1\r\n\r\na"
    told = await port.tell(good + good + b"nonsense\r\n\r\n" + good)
    assert told.raw.count(b"HTTP/1.1 200") == 2
    assert told.raw.count(b"HTTP/1.1 ") == 3
    assert is_problem(told, 400)


async def test_a_broken_body_behind_another_request_waits_for_its_turn(port: Port) -> None:
    told = await port.tell(POST + b"Content-Length: 1\r\n\r\na" + CHUNKED + b"zz\r\n")
    assert told.status == 200
    assert told.raw.count(b"HTTP/1.1 ") == 2
    assert is_problem(told, 400)


async def test_the_server_as_a_whole_says_what_it_can(port: Port) -> None:
    told = await port.ask(b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n")
    assert told.status == 204
    assert "patch" in told.headers["allow"]


async def test_a_head_that_does_not_come_is_not_waited_for(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reception, "HEAD_TIMEOUT", 0.1)
    assert is_problem(await port.tell(GET + b"X: "), 408)


async def test_a_refusal_reaches_who_is_still_sending(port: Port) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
    writer.write(GET)
    for _ in range(100):
        writer.write(b"X: " + b"a" * 100_000 + b"\r\n")
    async with asyncio.timeout(20):
        assert is_problem(Told(await reader.read()), 431)
    writer.close()
