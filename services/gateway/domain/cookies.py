"""The two cookies that carry a person's tokens, and how one is read from a request."""

ACCESS_COOKIE = "jwt-access"
REFRESH_COOKIE = "jwt-refresh"


def value_of(cookies: str, wanted: str) -> str | None:
    """Return the value of a cookie in a `Cookie` header, or None where it has none."""
    for part in cookies.split(";"):
        name, _, value = part.strip().partition("=")
        if name == wanted and value:
            return value.strip('"')
    return None
