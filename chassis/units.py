"""What an answer was billed, told in a header: the gateway reserves units and returns the rest."""

import re

#: Units as a decimal number, such as `1`, `0.03` or `0`.
HEADER = "Millrace-Units"

_WRITTEN = re.compile(r"([0-9]{1,15})(?:\.([0-9]{2}))?")


def written(centiunits: int) -> str:
    """Return hundredths of a unit as units."""
    whole, rest = divmod(centiunits, 100)
    return f"{whole}.{rest:02d}" if rest else str(whole)


def read(text: str) -> int | None:
    """Return units in hundredths, or None where the text is no number of ours."""
    found = _WRITTEN.fullmatch(text)
    return int(found[1]) * 100 + int(found[2] or 0) if found else None


def told(centiunits: int) -> dict[str, str]:
    """Return the header that tells what an answer was billed."""
    return {HEADER: written(centiunits)}
