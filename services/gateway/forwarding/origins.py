"""Whether a request that shows nothing but a person's cookies comes from a page that may use them.

A browser sends cookies along with whatever any page asks for. SameSite keeps other sites out, but
other ports and sibling subdomains are of the same site.
"""

from starlette.types import Scope

from chassis.problems import Forbidden
from gateway.domain.origins import Origins, origin_of
from gateway.forwarding.incoming import Incoming
from gateway.forwarding.proxies import FORWARDED_HOSTS

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_SITE, _ORIGIN = b"sec-fetch-site", b"origin"
#: A WebSocket is opened by a page, whose origin is spelled as that of HTTP.
_SCHEMES = {"ws": "http", "wss": "https"}


class CrossOrigin(Forbidden):
    """A person's cookies came with a request from a page of another origin."""

    code = "CROSS_ORIGIN"

    def __init__(self) -> None:
        """Say what the client can do instead."""
        super().__init__(
            "Cookies do not count in requests from other origins. Send a token or an API key."
        )


def refuse_foreign(origins: Origins, incoming: Incoming, scope: Scope) -> None:
    """Let a request pass unless it could change something in the name of a person by cookie alone.

    Raises:
        CrossOrigin: it could, and a page of another origin sent it.
    """
    is_safe = scope["type"] == "http" and scope["method"] in _SAFE
    if not is_safe and incoming.shows_cookies_alone and not may_use_cookies(origins, scope):
        raise CrossOrigin


def may_use_cookies(origins: Origins, scope: Scope) -> bool:
    """Tell whether a request comes from a page of an origin that may use cookies."""
    return origins.accept(site=_all(scope, _SITE), origin=_all(scope, _ORIGIN), own=_own(scope))


def _own(scope: Scope) -> list[str | None]:
    """Return the gateway's origins as the client may have addressed it."""
    scheme = scope.get("scheme", "http")
    scheme = _SCHEMES.get(scheme, scheme)
    hosts = [*_all(scope, b"host"), *scope.get(FORWARDED_HOSTS, ())]
    return [origin_of(f"{scheme}://{host}") for host in hosts]


def _all(scope: Scope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for name, value in scope["headers"] if name == wanted]
