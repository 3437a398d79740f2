"""What no log line may hold, whoever wrote it there: keys, tokens, passwords."""

import re

HIDDEN = "***"

_SECRETS = (
    # What signs anybody in: JSON web tokens, API keys of tenants, a payment provider's keys.
    re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)*"),
    re.compile(r"\brctm_[\w-]+"),
    re.compile(r"\b(?:sk|rk|pk)_(?:live|test)_\w+|\bwhsec_\w+"),
    # The password of an address: postgresql://user:password@host.
    re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL),
)
#: A word that says what follows it, in JSON, a header, a query or a representation.
_NAMED = re.compile(
    r"""(?P<name>["']?\b(?:authorization|x-api-key|api[_-]?key|apikey|cookie|set-cookie
        |(?:\w+_)?password|(?:\w+_)?secret|(?:access_|refresh_|id_)?token|millrace-assertion)\b["']?)
        (?P<sign>\s*[:=]\s*|["']?\s*,\s*b?(?=["']))
        (?P<value>b?"[^"]*"|b?'[^']*'|(?:bearer\s+|basic\s+)?[^\s"',;&}\])]+)""",
    re.IGNORECASE | re.VERBOSE,
)


def redacted(text: str) -> str:
    """Return a text without what looks like a secret."""
    for secret in _SECRETS:
        text = secret.sub(HIDDEN, text)
    return _NAMED.sub(lambda found: f"{found['name']}{found['sign']}{HIDDEN}", text)
