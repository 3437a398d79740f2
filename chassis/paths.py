"""Paths in their one spelling: percent-encoded, so that a slash in an id is no separator.

Decoded as a whole, `/items/a%2F` and `/items/a/` would be one path. Therefore the gateway and every
service route the path as it is written, and a route that takes any text as an id decodes it itself.
"""

import re
from urllib.parse import quote, quote_from_bytes, unquote, unquote_to_bytes

from starlette.types import Scope

#: What may stand in a segment as it is (RFC 3986, `pchar`).
_PCHAR = ":@!$&'()*+,;=~-._"
_PLAIN = re.compile(rb"[A-Za-z0-9/:@!$&'()*+,;=~\-._]*")


def written(scope: Scope) -> str:
    """Return the path of a request, the same string for all of its spellings (RFC 3986, 6.2.2).

    A literal trailing slash is optional and left out.
    """
    raw: bytes = scope.get("raw_path") or quote(scope["path"], safe=f"/{_PCHAR}").encode()
    path = raw[:-1] if len(raw) > 1 and raw.endswith(b"/") else raw
    if _PLAIN.fullmatch(path):
        return path.decode("ascii")
    segments = (unquote_to_bytes(segment) for segment in path.split(b"/"))
    return "/".join(quote_from_bytes(segment, safe=_PCHAR) for segment in segments)


def decoded(segments: str) -> str:
    """Return the text that a part of a written path stands for.

    Raises:
        ValueError: it is not UTF-8.
    """
    return unquote(segments, errors="strict")
