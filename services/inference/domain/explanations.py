"""Why an item is recommended, in a sentence that is true to the computation."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

#: How many past items a sentence names.
NAMED = 3
NEW_USER = "Popular with everybody; nothing is known about this user yet."
NEW_TASTE = "Popular with everybody; this user's past items lead the models to nothing yet."
FILLED_UP = "Popular with everybody; the user's history gives no more."
NEWEST = "New in the catalogue; nobody has done anything here yet."
UNTRIED = "Nobody had come to this item when the model was trained; nothing better is left."


#: A feature that all of an item's score comes from does not outweigh the one past item that it
#: comes from, too, by the rounding of numbers.
_MORE = 1 + 1e-6


@dataclass(frozen=True, slots=True)
class Why:
    """What raised an item's score most: past items, strongest first, or a feature above them."""

    past: tuple[str, ...]
    feature: str | None = None

    @classmethod
    def of(cls, shares: Mapping[str, float], trait: tuple[str, float] | None) -> Self:
        """Return the reasons in these exact shares of the score, of past items and a feature."""
        past = tuple(sorted(shares, key=shares.__getitem__, reverse=True)[:NAMED])
        if trait is None or not past or trait[1] <= shares[past[0]] * _MORE:
            return cls(past)
        return cls(past, trait[0])


def because_of(
    why: Why, title: Callable[[str], str], *, session: Collection[str] = frozenset()
) -> str:
    """Return the sentence that names the strongest reason, and what of it is of this session."""
    lately = [f'"{title(item)}"' for item in why.past if item in session]
    before = [f'"{title(item)}"' for item in why.past if item not in session]
    if why.feature is not None:
        return f"Because you like {why.feature}{'.' if before else ', by this session.'}"
    if not lately:
        return f"Because of your interest in {_listed(before)}."
    rest = f", and in {_listed(before)} before" if before else ""
    return f"Because of your interest in {_listed(lately)} in this session{rest}."


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
