"""Whom an address stands for: one host, or the network that one customer of a provider is given."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

#: A subscriber's IPv6 network, of 2^64 addresses (RFC 6177): he may take another for each request.
_SUBSCRIBER_BITS = 64


@lru_cache(maxsize=4096)
def network_of(address: str | None) -> str:
    """Return what requests of an address are counted by: the IPv4 address, the /64 of an IPv6 one.

    An IPv4 address in IPv6's spelling is that IPv4 address. What is no address is counted as one.
    """
    try:
        parsed = ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    host: IPv4Address | IPv6Address = mapped or parsed
    if isinstance(host, IPv4Address):
        return str(host)
    return str(IPv6Network((host, _SUBSCRIBER_BITS), strict=False))
