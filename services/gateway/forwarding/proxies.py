"""Proxies in front of the gateway: whose word about the client's address counts."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import Scope

_FOR, _PROTO, _FORWARDED = b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"
_HOST, _PORT = b"x-forwarded-host", b"x-forwarded-port"
#: Where a request that came through a trusted proxy keeps the hosts that the proxy was asked by.
FORWARDED_HOSTS = "millrace_forwarded_hosts"
_SCHEMES = {
    b"http": {"http": "http", "websocket": "ws"},
    b"https": {"http": "https", "websocket": "wss"},
}

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Proxies:
    """The proxies that are trusted: what others say of a client's address is made up."""

    def __init__(self, networks: str = "") -> None:
        """Take addresses and networks, separated by commas.

        Raises:
            ValueError: one of them is neither.
        """
        names = [name.strip() for name in networks.split(",") if name.strip()]
        self._networks: tuple[Network, ...] = tuple(ip_network(name) for name in names)

    def seen_through(self, scope: Scope) -> Scope:
        """Return a request as its client sent it to the outermost of the trusted proxies."""
        peer = _peer(scope) if self._networks else None
        if peer is None or not self._trusts(peer):
            return scope
        address = self._client(peer, scope)
        seen = dict(scope, client=(str(address), 0))
        seen[FORWARDED_HOSTS] = _hosts(scope)
        proto = b"".join(_all(scope, _PROTO)).strip().lower()
        if proto in _SCHEMES:
            seen["scheme"] = _SCHEMES[proto][scope["type"]]
        return seen

    def _client(self, peer: Address, scope: Scope) -> Address:
        """Return the right-most address that no trusted proxy has."""
        named = b",".join(_all(scope, _FOR)).decode("latin-1").split(",")
        for text in reversed(named):
            address = _address(text)
            if address is None:
                break
            peer = address
            if not self._trusts(address):
                break
        return peer

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def is_near(scope: Scope) -> bool:
    """Tell whether a request comes from this machine or a private network, past no proxy."""
    if any(name in (_FOR, _FORWARDED) for name, _ in scope["headers"]):
        return False
    if not scope.get("client"):
        return True  # a socket of this machine's
    peer = _peer(scope)
    return peer is not None and not peer.is_global


def _peer(scope: Scope) -> Address | None:
    client = scope.get("client")
    return _address(client[0]) if client else None


def _address(text: str) -> Address | None:
    """Return the address that a text holds, with or without a port."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _hosts(scope: Scope) -> list[str]:
    """Return the hosts that proxies say they were asked by, each with its port.

    Some tell the port apart, and some pass a host on without the port that the client used.
    """
    named = b",".join(_all(scope, _HOST)).decode("latin-1").split(",")
    hosts = [host.strip() for host in named if host.strip()]
    port = b"".join(_all(scope, _PORT)).decode("latin-1").strip()
    if not port.isascii() or not port.isdigit():
        return hosts
    bare = hosts or [host.decode("latin-1") for host in _all(scope, b"host")]
    return hosts + [f"{host}:{port}" for host in bare if not _has_port(host)]


def _has_port(host: str) -> bool:
    return ":" in host.rpartition("]")[2]


def _all(scope: Scope, wanted: bytes) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == wanted]
