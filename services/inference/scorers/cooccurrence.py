"""How near two items are by the users they share: the cosine of their columns."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inference.scorers.arrays import Doubles, Rows, Scores


@dataclass(frozen=True)
class CoOccurrence:
    """`users` (users, items) says who touched what; what else is needed is made at the first
    question."""

    users: Rows

    def nearness(self, position: int) -> Scores:
        """Return the cosine (items,) with the item at this position; zeros for an item nobody
        had."""
        if position >= self.users.width:
            return np.zeros(self.users.width)
        begin, end = self._items.indptr[position], self._items.indptr[position + 1]
        who = self._items.indices[begin:end].astype(np.int64)
        together = self.users.mixed(who, self._items.data[begin:end].astype(np.float64))
        lengths = np.maximum(self._lengths * self._lengths[position], 1e-30)
        return np.asarray(together / lengths)

    @cached_property
    def _items(self) -> Rows:
        return self.users.turned()

    @cached_property
    def _lengths(self) -> Doubles:
        squares = self.users.data.astype(np.float64) ** 2
        sums = np.bincount(self.users.indices, weights=squares, minlength=self.users.width)
        return np.asarray(np.sqrt(sums), dtype=np.float64)
