"""Web origins (RFC 6454): how they are spelled, and from which of them a person's cookies count."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address

_PORTS = {"http": 80, "https": 443}
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(?::(?P<port>[0-9]{1,5}))?"
)
#: What `Sec-Fetch-Site` says of a request from a page of the same origin, and of one that a person
#: made without any page: from the address bar or a bookmark.
_OWN_PAGES = ("same-origin", "none")


def origin_of(text: str) -> str | None:
    """Return an origin in the one spelling that can be compared, or None for what is no origin.

    Case, a default port and zeros of an IPv6 address make no difference; a trailing dot of the host
    does, as it does to browsers.
    """
    match = _ORIGIN.fullmatch(text.lower()) if text.isascii() else None
    if match is None:
        return None
    scheme, host, port = match["scheme"], match["host"], match["port"]
    if host.startswith("["):
        try:
            host = f"[{IPv6Address(host[1:-1]).compressed}]"
        except ValueError:
            return None
    if port is None or int(port) == _PORTS.get(scheme):
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{int(port)}" if 0 < int(port) < 65536 else None


@dataclass(frozen=True, slots=True)
class Origins:
    """The origins whose pages may use a person's cookies beside the gateway's own."""

    trusted: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> "Origins":
        """Return the origins of a list that is separated by commas.

        Raises:
            ValueError: one of them is no origin such as `https://app.example.com`.
        """
        names = [name.strip() for name in text.split(",") if name.strip()]
        found = {name: origin_of(name) for name in names}
        wrong = [name for name, origin in found.items() if origin is None]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no origin such as https://app.example.com")
        return cls(frozenset(origin for origin in found.values() if origin))

    def accept(
        self, *, site: Sequence[str], origin: Sequence[str], own: Collection[str | None]
    ) -> bool:
        """Tell whether a request comes from a page that may use cookies, or from no browser.

        `site` and `origin` are the values of the `Sec-Fetch-Site` and `Origin` headers, `own` the
        origins under which the client may have addressed the gateway. Browsers set both headers
        themselves, and no page can change them.
        """
        if not site and not origin:
            return True
        if len(site) == 1 and site[0] in _OWN_PAGES:
            return True
        named = origin_of(origin[0]) if len(origin) == 1 else None
        return named is not None and (named in self.trusted or named in own)
