"""What the `Host` header may hold (RFC 9110, section 7.2): a name or an address, and a port.

Links in answers repeat it, so what is no host must not get into them.
"""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

_PARTS = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,254}))(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LAST_PORT = 65535


@lru_cache(maxsize=1024)
def is_host(value: bytes) -> bool:
    """Tell whether a header's value is a host, with or without a port."""
    if not value.isascii():
        return False
    parts = _PARTS.fullmatch(value.decode())
    if parts is None:
        return False
    address, name, port = parts.groups()
    if port is not None and not 0 < int(port) <= _LAST_PORT:
        return False
    return _is_address(address) if address is not None else _is_name(name)


def _is_address(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True


def _is_name(text: str) -> bool:
    """Tell whether a text names a host; underscores occur in names of containers."""
    labels = text.removesuffix(".").split(".")
    if labels[-1].isdigit():
        return _is_dotted_quad(text)
    return len(text) <= 253 + text.endswith(".") and all(_LABEL.fullmatch(each) for each in labels)


def _is_dotted_quad(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True
