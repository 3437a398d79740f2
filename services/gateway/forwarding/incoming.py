"""What the gateway reads of a request's head: credentials, which stop here, and what may be passed
on.
"""

from dataclasses import dataclass, field
from typing import Any

from chassis.hosts import is_host
from chassis.problems import Malformed
from gateway.domain.cookies import ACCESS_COOKIE, REFRESH_COOKIE, value_of
from gateway.domain.keys import MARK

Headers = list[tuple[bytes, bytes]]

#: Headers that concern one connection only, that claim what only we may claim, or that hold
#: credentials.
_OURS = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"upgrade",
        b"expect",
        b"http2-settings",
        b"transfer-encoding",
        b"content-length",
        b"host",
        b"authorization",
        b"x-api-key",
        b"cookie",
        b"forwarded",
        b"x-real-ip",
        b"x-original-url",
        b"x-rewrite-url",
        b"traceparent",
        b"tracestate",
    }
)
_OUR_FAMILIES = (b"millrace-", b"x-forwarded-")


@dataclass(slots=True)
class Incoming:
    """The head of a request, sorted."""

    #: Headers that the service may see.
    passed: Headers = field(default_factory=list)
    host: bytes = b""
    api_key: str | None = None
    bearer: str | None = None
    cookies: str = ""
    length: int | None = None
    is_chunked: bool = False
    is_multipart: bool = False
    trace: dict[str, str] = field(default_factory=dict)

    @property
    def has_body(self) -> bool:
        """Tell whether a body follows."""
        return self.is_chunked or bool(self.length)

    @property
    def token(self) -> str | None:
        """Return the access token that the client shows, in the header or in its cookie."""
        return self.bearer or value_of(self.cookies, ACCESS_COOKIE)

    @property
    def shows_cookies_alone(self) -> bool:
        """Tell whether a person's cookies are all that the client shows of itself."""
        if self.api_key is not None or self.bearer is not None or not self.cookies:
            return False
        names = (ACCESS_COOKIE, REFRESH_COOKIE)
        return any(value_of(self.cookies, name) is not None for name in names)


def read(headers: Any) -> Incoming:
    """Sort the headers of a request.

    Raises:
        Malformed: they say in two ways how long the body is, or name no host.
    """
    incoming = Incoming()
    nominated: set[bytes] = set()
    for name, value in headers:
        if name in _OURS:
            _take(incoming, name, value, nominated)
        elif not name.startswith(_OUR_FAMILIES):
            if name == b"content-type":
                incoming.is_multipart = value[:10].lower() == b"multipart/"
            incoming.passed.append((name, value))
    if incoming.is_chunked and incoming.length is not None:
        raise Malformed("A body has either a length or chunks.")
    if nominated:
        incoming.passed = [pair for pair in incoming.passed if pair[0] not in nominated]
    return incoming


def _take(incoming: Incoming, name: bytes, value: bytes, nominated: set[bytes]) -> None:
    if name == b"host":
        if incoming.host or not is_host(value):
            raise Malformed("A request has one Host header, and it holds a host.")
        incoming.host = value
    elif name == b"x-api-key":
        text = value.decode("latin-1")
        # What is no key of ours is no credential: the next one is looked at.
        incoming.api_key = incoming.api_key or (text if text.startswith(MARK) else None)
    elif name == b"authorization":
        kind, _, token = value.decode("latin-1").partition(" ")
        if kind.lower() == "bearer" and token.strip():
            incoming.bearer = incoming.bearer or token.strip()
    elif name == b"cookie":
        incoming.cookies += ("; " if incoming.cookies else "") + value.decode("latin-1")
    elif name == b"content-length":
        _take_length(incoming, value)
    elif name == b"transfer-encoding":
        if value.strip().lower() != b"chunked" or incoming.is_chunked:
            raise Malformed("The body's encoding is not understood.")
        incoming.is_chunked = True
    elif name in (b"traceparent", b"tracestate"):
        incoming.trace[name.decode()] = value.decode("latin-1")
    elif name == b"connection":
        nominated.update(part.strip().lower() for part in value.split(b","))


def _take_length(incoming: Incoming, value: bytes) -> None:
    if incoming.length is not None or not value.isdigit() or len(value) > 18:
        raise Malformed("The body's length is not understood.")
    incoming.length = int(value)
