"""Ranked items as a request gets them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recommended:
    """One recommended item."""

    item: str
    score: float
    #: What really found it: one of the algorithms, or popularity.
    algorithm: str
    explanation: str


def below(last: float | None, shares: Sequence[float]) -> list[float]:
    """Return falling scores for shares of popularity in (0, 1], all below the last better score."""
    if last is None:
        return list(shares)
    if last > 0:
        return [last * share * 0.999 for share in shares]
    return [last - 1.001 + share for share in shares]
