"""The head of an HTTP/1.1 request, and what of it is refused (RFC 9110, RFC 9112)."""

import base64
import binascii
import re

from chassis.hosts import is_host
from chassis.problems import Malformed, MethodNotAllowed, Problem

#: Longest request target and longest head, in bytes.
MAX_TARGET = 16 * 1024
MAX_HEAD = 64 * 1024
#: What the WebSocket library reads of a head: bytes of a line, and headers.
_MAX_LINE = 8 * 1024
_MAX_HEADERS = 128
#: What the server as a whole can do.
IMPLEMENTED = {"Allow": "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"}
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)


class HeadersTooLarge(Problem):
    """The head of the request is longer than the limit."""

    status = 431
    code = "HEADERS_TOO_LARGE"


class TargetTooLong(Problem):
    """The address is longer than the limit."""

    status = 414
    code = "URI_TOO_LONG"


class UpgradeRequired(Problem):
    """The client speaks a version of the WebSocket protocol that we do not."""

    status = 426
    code = "UPGRADE_REQUIRED"


def too_long(*, is_target: bool) -> Problem:
    """Return the refusal of a head that is too long, because its target is or as a whole."""
    if is_target:
        return TargetTooLong(f"The address may have {MAX_TARGET} bytes.")
    return HeadersTooLarge(f"The headers may have {MAX_HEAD} bytes.")


class Head:
    """A request's head as the parser read it, header names in lower case."""

    def __init__(
        self, method: bytes, target: bytes, version: str, headers: list[tuple[bytes, bytes]]
    ) -> None:
        """Take the request line and the headers."""
        self.method = method
        self.target = target
        self._version = version
        self._headers = headers

    def check(self) -> None:
        """Refuse what can be understood in two ways, and bring the target into its usual form.

        Raises:
            Problem: this is no request for this server.
        """
        if self._version not in ("1.1", "1.0"):
            # Not 505: what a client sends is no fault of ours, and 5xx wakes somebody up.
            raise Malformed("Versions 1.1 and 1.0 of HTTP are spoken here.")
        if self.method == b"CONNECT":
            raise MethodNotAllowed("This server is no proxy.", headers=IMPLEMENTED)
        self._check_target()
        self._check_headers()

    def _check_target(self) -> None:
        if len(self.target) > MAX_TARGET:
            raise too_long(is_target=True)
        if b"#" in self.target:
            raise Malformed("An address in a request has no fragment.")
        if self.target.startswith(b"/") or (self.target == b"*" and self.method == b"OPTIONS"):
            return
        absolute = _ABSOLUTE.fullmatch(self.target)
        if absolute is None:
            raise Malformed("The address must begin with a slash.")
        host, path = absolute.groups()
        # Whose address it is says the target, not the header (RFC 9112, section 3.2.2).
        self._headers[:] = [(n, host if n == b"host" else v) for n, v in self._headers]
        self.target = path if path.startswith(b"/") else b"/" + path

    def _check_headers(self) -> None:
        """Look at each header once: every request pays for this."""
        size, hosts = len(self.target), 0
        for name, value in self._headers:
            size += len(name) + len(value) + 4
            if name == b"host":
                hosts += 1
                if not is_host(value):
                    raise Malformed("The Host header holds no host.")
            elif name == b"transfer-encoding" and (
                value.lower() != b"chunked" or self._version == "1.0"
            ):
                raise Malformed("The body's encoding is not understood.")
        if size > MAX_HEAD:
            raise too_long(is_target=False)
        if hosts > 1 or (hosts == 0 and self._version == "1.1"):
            raise Malformed("A request has one Host header.")

    def check_handshake(self) -> None:
        """Refuse what the WebSocket library would refuse in plain text, or wait for in vain.

        Raises:
            Problem: this opens no WebSocket.
        """
        headers = dict(self._headers)
        length = headers.get(b"content-length", b"0")
        if self.method != b"GET" or b"transfer-encoding" in headers or length.strip(b"0"):
            raise Malformed("A WebSocket is opened by a GET without a body.")
        if len(self._headers) > _MAX_HEADERS:
            raise HeadersTooLarge(f"A WebSocket is opened with {_MAX_HEADERS} headers at most.")
        if len(self.target) + len("GET  HTTP/1.1\r\n") > _MAX_LINE:
            raise TargetTooLong(f"The address of a WebSocket may have {_MAX_LINE} bytes.")
        if any(len(name) + len(value) + 4 > _MAX_LINE for name, value in self._headers):
            raise HeadersTooLarge(f"A header of a WebSocket may have {_MAX_LINE} bytes.")
        if headers.get(b"sec-websocket-version") != b"13":
            spoken = {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
            raise UpgradeRequired("Version 13 of WebSocket is spoken here.", headers=spoken)
        if not _is_handshake_key(headers.get(b"sec-websocket-key", b"")):
            raise Malformed("The Sec-WebSocket-Key header holds no key.")


def _is_handshake_key(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == 16
    except binascii.Error:
        return False
