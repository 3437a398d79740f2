"""How often somebody may ask: so many requests in a window that begins with the first of them."""

from dataclasses import dataclass

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `limit` requests in `seconds`."""

    limit: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Window:
    """Where a caller stands: the rate, the requests left, and the seconds until it starts anew."""

    rate: Rate
    used: int
    resets_in: int

    @property
    def exceeded(self) -> bool:
        """Tell whether this request was one too many."""
        return self.used > self.rate.limit

    def headers(self) -> dict[str, str]:
        """Return what the client is told about it."""
        return {
            "RateLimit-Limit": str(self.rate.limit),
            "RateLimit-Remaining": str(max(0, self.rate.limit - self.used)),
            "RateLimit-Reset": str(self.resets_in),
        }


def parse(text: str) -> Rate | None:
    """Return the rate that a text such as `1000/minute` names; `0` means no limit.

    Raises:
        ValueError: the text names no rate.
    """
    number, _, unit = text.strip().partition("/")
    if not number.strip().isdecimal():
        raise ValueError(f"a rate reads like 100/minute or 0, not {text!r}")
    limit = int(number)
    if limit == 0:
        return None
    seconds = _SECONDS.get(unit.strip().removesuffix("s") or "minute")
    if seconds is None:
        raise ValueError(f"a rate is per {', '.join(_SECONDS)}, not {unit!r}")
    return Rate(limit, seconds)
