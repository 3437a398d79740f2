"""The headers that the gateway adds: what services are told of the client, what clients of us."""

from starlette.types import Message, Scope, Send

from gateway.domain.routing import Match
from gateway.forwarding.gate import Admission
from gateway.forwarding.incoming import Headers, Incoming

#: Since when `/api/X` is deprecated, as RFC 9745 writes dates.
_DEPRECATED = b"@1767225600"


def forwarded(incoming: Incoming, scope: Scope) -> Headers:
    """Return what services are told of the client's side of the connection."""
    client = scope.get("client")
    return [
        (b"x-forwarded-host", incoming.host or _own_host(scope)),
        (b"x-forwarded-proto", scope.get("scheme", "http").encode()),
        (b"x-forwarded-for", client[0].encode() if client else b"unknown"),
    ]


def _own_host(scope: Scope) -> bytes:
    """Return the address that the client connected to: HTTP/1.0 needs no Host header."""
    address, port = scope.get("server") or ("localhost", None)
    bracketed = f"[{address}]" if ":" in address else address
    return (f"{bracketed}:{port}" if port else bracketed).encode()


def extra_for(match: Match, admission: Admission) -> Headers:
    """Return the headers that the gateway adds to an answer."""
    extra: Headers = []
    if admission.window is not None:
        named = admission.window.headers().items()
        extra += [(name.lower().encode(), text.encode()) for name, text in named]
    if match.is_alias:
        successor = f'<{match.path}>; rel="successor-version"'
        extra += [(b"deprecation", _DEPRECATED), (b"link", successor.encode())]
    return extra


def with_headers(send: Send, extra: Headers) -> Send:
    """Return what sends an answer with these headers added."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = dict(message, headers=[*message["headers"], *extra])
        await send(message)

    return sending
