"""Names for the arrays of a scorer, and compressed rows read without scipy's overhead per call."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Positions = NDArray[np.int64]
Mask = NDArray[np.bool_]
#: Scores of all items, float32 or float64 (n_items,).
Scores = NDArray[Any]
Array = NDArray[Any]


class Misshapen(ValueError):
    """Arrays that do not fit together: signed perhaps, but not what their kind needs."""


def taken(arrays: Mapping[str, Array], name: str, dtype: Any, *, ndim: int = 1) -> Array:
    """Return an array by name; Misshapen where it is absent, of another type or not finite."""
    array = arrays.get(name)
    if array is None:
        raise Misshapen(f"array {name} is missing")
    if array.dtype != np.dtype(dtype) or array.ndim != ndim:
        raise Misshapen(f"array {name} is {array.dtype}[{array.ndim}]")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Misshapen(f"array {name} holds something that is not a number")
    return array


@dataclass(frozen=True)
class Rows:
    """Compressed sparse rows: row r has `data[indptr[r]:indptr[r+1]]` at those `indices`."""

    indptr: Positions
    indices: NDArray[np.int32]
    data: Floats
    width: int

    @classmethod
    def of(
        cls, arrays: Mapping[str, Array], name: str, *, width: int, data: str | None = None
    ) -> Self:
        """Return the rows stored under `name.indptr`, `.indices`, `.data`; Misshapen otherwise."""
        indptr = taken(arrays, f"{name}.indptr", np.int64)
        indices = taken(arrays, f"{name}.indices", np.int32)
        cells = taken(arrays, data or f"{name}.data", np.float32)
        sound = (
            indptr.size > 0
            and indptr[0] == 0
            and indptr[-1] == indices.size == cells.size
            and bool((np.diff(indptr) >= 0).all())
            and (indices.size == 0 or (indices.min() >= 0 and indices.max() < width))
        )
        if not sound:
            raise Misshapen(f"rows {name} do not fit together")
        return cls(indptr, indices, cells, width)

    @property
    def count(self) -> int:
        """Return how many rows there are."""
        return self.indptr.size - 1

    @property
    def nbytes(self) -> int:
        """Return the memory they take."""
        return self.indptr.nbytes + self.indices.nbytes + self.data.nbytes

    def cells(self, rows: Positions) -> tuple[Positions, Positions]:
        """Return, for all cells of these rows, which of the given rows it is in and where it
        lies."""
        lengths = self.indptr[rows + 1] - self.indptr[rows]
        owners = np.repeat(np.arange(rows.size), lengths)
        starts = np.repeat(self.indptr[rows] - (np.cumsum(lengths) - lengths), lengths)
        return owners, starts + np.arange(owners.size)

    def mixed(self, rows: Positions, weights: Doubles) -> Doubles:
        """Return the weighted sum of these rows (width,)."""
        owners, at = self.cells(rows)
        votes = self.data[at] * weights[owners]
        sums = np.bincount(self.indices[at], weights=votes, minlength=self.width)
        return np.asarray(sums, dtype=np.float64)

    def block(self, rows: Positions, columns: Positions) -> Doubles:
        """Return the dense block (rows, columns)."""
        place = np.full(self.width, -1, dtype=np.int64)
        place[columns] = np.arange(columns.size)
        owners, at = self.cells(rows)
        column = place[self.indices[at]]
        kept = column >= 0
        dense = np.zeros((rows.size, columns.size))
        dense[owners[kept], column[kept]] = self.data[at][kept]
        return dense

    def turned(self) -> "Rows":
        """Return the transpose: rows become columns."""
        owners = np.repeat(np.arange(self.count, dtype=np.int32), np.diff(self.indptr))
        order = np.argsort(self.indices, kind="stable")
        counts = np.bincount(self.indices, minlength=self.width)
        indptr = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        return Rows(indptr, owners[order], self.data[order], self.count)
