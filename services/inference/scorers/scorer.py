"""What every scorer can do, and the values it is asked with and answers in."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from contracts.artefact import HISTORY_LIMIT, Manifest
from inference.scorers.arrays import Doubles, Mask, Positions
from inference.scorers.profile import Past, Profile

__all__ = [
    "HISTORY_LIMIT",
    "History",
    "Past",
    "Profile",
    "Ranking",
    "Reason",
    "Scorer",
    "Shares",
    "Trait",
    "largest",
    "strongest",
]


#: A history as it is told, in any order, or as this scorer's `read` returned it.
History = Sequence[Past] | Profile


class Reason(NamedTuple):
    """A past item and its exact part of a recommended item's score."""

    item: str
    share: float


class Shares(NamedTuple):
    """Past items (m,) and each one's exact part (m, k) of the scores of k ranked items."""

    items: tuple[str, ...]
    parts: Doubles


class Trait(NamedTuple):
    """A feature, as people call it, and its exact part of a recommended item's score."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """Items, best first, with their scores; shorter than k where fewer may be recommended."""

    items: tuple[str, ...]
    scores: tuple[float, ...]
    #: Rows of the items in the model's own item order, for the calls that take positions.
    positions: Positions

    def __len__(self) -> int:
        return len(self.items)


class Scorer(Protocol):
    """An immutable model in memory; every method may be called from any thread.

    Item ids that the model does not know are ignored wherever they are passed in.
    """

    @property
    def manifest(self) -> Manifest:
        """Return the verified manifest."""
        ...

    @property
    def item_ids(self) -> Sequence[str]:
        """Return all item ids; an item's index here is its position. Most popular first."""
        ...

    @property
    def nbytes(self) -> int:
        """Return the bytes of memory this scorer holds."""
        ...

    @property
    def personal(self) -> bool:
        """Return whether a history changes the answer (false for popularity)."""
        ...

    def position(self, item_id: str) -> int | None:
        """Return the item's position, None where the model does not know it."""
        ...

    def mask(self, item_ids: Collection[str]) -> Mask:
        """Return a (n_items,) mask that is true at these items: what `allowed` takes."""
        ...

    def known_user(self, user_id: str) -> bool:
        """Return whether this user was trained on."""
        ...

    def trained_history(self, user_id: str, *, now: float | None = None) -> list[Past]:
        """Return what the user had done at training time, newest first.

        Ages count from `now` (seconds since 1970), else from the newest interaction of all; they
        are 0 where training knew no times. KeyError for an unknown user.
        """
        ...

    def sample_user(self, draw: float) -> str:
        """Return one trained user for a number in [0, 1); LookupError for a model without users."""
        ...

    def read(self, history: Sequence[Past]) -> Profile:
        """Return a history as the calls below need it: made once by who asks more than once."""
        ...

    def recommend(
        self,
        history: History,
        *,
        k: int,
        exclude: Collection[str] = (),
        allowed: Mask | None = None,
        include_seen: bool = False,
    ) -> Ranking:
        """Return the k best items for this history.

        Items of the history and of `exclude` are left out (history stays with `include_seen`), and
        so is everything outside `allowed`. A personal scorer answers an empty ranking where it
        knows nothing of the history, so that the caller can fall back and say so.
        """
        ...

    def popular(
        self, *, k: int, exclude: Collection[str] = (), allowed: Mask | None = None
    ) -> Ranking:
        """Return the most popular items of the training data, scored by their (decayed) counts."""
        ...

    def similar(self, item_id: str, *, k: int, allowed: Mask | None = None) -> Ranking:
        """Return the items nearest to this one, itself left out; KeyError for an unknown item."""
        ...

    def shares(self, history: History, ranking: Ranking) -> Shares:
        """Return every known past item's share of each ranked item's score, be it negative.

        Over the whole history they add up to the score (see each scorer for the exceptions it
        states). Without items for a model that is not personal.
        """
        ...

    def contributions(
        self, history: History, ranking: Ranking, *, top: int = 3
    ) -> list[list[Reason]]:
        """Return, for each ranked item, the past items that raised its score most, largest first.

        Only positive shares are returned; none for a model that is not personal.
        """
        ...

    def traits(self, history: History, ranking: Ranking) -> list[Trait | None]:
        """Return, for each ranked item, the named feature that raised its score most.

        Shares are exact: all features' shares, too, add up to the score. None for an item without
        features, and for all items of a model that does not know them by names.
        """
        ...


def strongest(shares: Shares, *, top: int) -> list[list[Reason]]:
    """Return, for each ranked item, its largest positive shares, largest first."""
    items = shares.items
    return [
        [Reason(items[past], share) for past, share in column]
        for column in largest(shares.parts, top=top)
    ]


def largest(parts: Doubles, *, top: int) -> list[list[tuple[int, float]]]:
    """Return, for each column of (m, k), the rows and values of its `top` largest positive ones.

    The upper row wins a tie. A few rounds of looking for the largest cost less than to sort.
    """
    left, columns = parts.copy(), np.arange(parts.shape[1])
    found: list[list[tuple[int, float]]] = [[] for _ in columns]
    for _round in range(min(top, parts.shape[0])):
        rows = left.argmax(axis=0)
        values = left[rows, columns]
        left[rows, columns] = -np.inf
        for column, row, value in zip(found, rows.tolist(), values.tolist(), strict=True):
            if value > 0:
                column.append((row, value))
    return found
