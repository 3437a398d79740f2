"""Whom a model was trained on, and what they had done by then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from inference.scorers.arrays import Array, Misshapen, Rows, taken
from inference.scorers.names import Names
from inference.scorers.scorer import Past


@dataclass(frozen=True)
class People:
    """User ids in order, with each user's items newest first; `ages` (int32 seconds) go with the
    cells."""

    names: Names
    seen: Rows
    ages: NDArray[np.int32]
    #: Seconds since 1970 of the newest interaction; None where no times were known.
    newest_at: int | None

    @classmethod
    def of(cls, arrays: Mapping[str, Array], *, n_items: int, newest_at: int | None) -> Self:
        """Return the people of an artefact; Misshapen where their arrays do not fit together."""
        named = {"seen.indptr": arrays.get("seen.indptr"), "seen.indices": arrays.get("seen.items")}
        present = {name: array for name, array in named.items() if array is not None}
        seen = Rows.of({**arrays, **present}, "seen", width=n_items, data="seen.weights")
        names = Names.of(arrays, "users")
        ages = taken(arrays, "seen.ages", np.int32)
        if seen.count != len(names) or ages.size != seen.indices.size:
            raise Misshapen("users and their histories differ in number")
        return cls(names, seen, ages, newest_at)

    def history(self, user_id: str, items: Sequence[str], *, now: float | None) -> list[Past]:
        """Return a user's history, newest first; KeyError for an unknown user."""
        row = self.names.find(user_id)
        if row is None:
            raise KeyError(user_id)
        cells = slice(self.seen.indptr[row], self.seen.indptr[row + 1])
        since = 0.0 if now is None or self.newest_at is None else max(0.0, now - self.newest_at)
        return [
            Past(items[item], weight, since + age)
            for item, weight, age in zip(
                self.seen.indices[cells].tolist(),
                self.seen.data[cells].tolist(),
                self.ages[cells].tolist(),
                strict=True,
            )
        ]

    @property
    def nbytes(self) -> int:
        """Return the memory they take."""
        return self.names.nbytes + self.seen.nbytes + self.ages.nbytes
