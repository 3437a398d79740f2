"""Who did what with which item, in the columns it comes in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from training.learners.arrays import Array, Codes, Floats
from training.learners.orders import OrderRefused


@dataclass(frozen=True)
class Interactions:
    """Columns of equal length n, in any order; rows may repeat.

    Weights (float32) say how strong the signal is (view < click < like < purchase); at or below 0
    the item counts as seen, not as liked. Times (int64) are microseconds since 1970, absent where
    unknown.
    """

    users: pa.Array
    items: pa.Array
    weights: Floats
    times: Codes | None

    @classmethod
    def from_columns(
        cls,
        users: Sequence[str],
        items: Sequence[str],
        weights: Sequence[float] | Array | None = None,
        times: Sequence[int] | Codes | None = None,
    ) -> Self:
        """Return interactions of plain columns; OrderRefused where they do not fit together."""
        strength = np.ones(len(users)) if weights is None else np.asarray(weights)
        moments = None if times is None else np.asarray(times, dtype=np.int64)
        lengths = {len(users), len(items), len(strength)}
        if len(lengths) > 1 or (moments is not None and len(moments) != len(users)):
            raise OrderRefused("interactions: columns differ in length")
        if not np.isfinite(strength).all():
            raise OrderRefused("interactions: a weight is not a finite number")
        text = pa.string()
        return cls(
            users=_text(pa.array(users) if len(users) else pa.array([], text)),
            items=_text(pa.array(items) if len(items) else pa.array([], text)),
            weights=strength.astype(np.float32),
            times=moments,
        )

    @classmethod
    def from_table(
        cls,
        table: pa.Table,
        *,
        user: str,
        item: str,
        time: str | None = None,
        weight: str | None = None,
    ) -> Self:
        """Return the interactions of a table's named columns; rows without user or item are left
        out.

        The time column is a timestamp or whole microseconds; a row without a time counts as oldest.
        """
        missing = {user, item, time, weight} - set(table.column_names) - {None}
        if missing:
            raise OrderRefused(f"interactions: no column {', '.join(sorted(map(repr, missing)))}")
        whole = pc.and_(pc.is_valid(table[user]), pc.is_valid(table[item]))
        rows = table.filter(whole)
        return cls.from_columns(
            _text(rows[user].combine_chunks()),
            _text(rows[item].combine_chunks()),
            None if weight is None else _numbers(rows[weight], 1.0),
            None if time is None else _moments(rows[time]),
        )

    def __len__(self) -> int:
        return len(self.weights)


def _text(column: pa.Array) -> pa.Array:
    return pc.cast(column, pa.string())


def _numbers(column: pa.ChunkedArray, absent: float) -> NDArray[np.float64]:
    numbers = pc.fill_null(pc.cast(column, pa.float64()), absent)
    return np.asarray(numbers.to_numpy(), dtype=np.float64)


def _moments(column: pa.ChunkedArray) -> Codes:
    if pa.types.is_timestamp(column.type):
        column = pc.cast(pc.cast(column, pa.timestamp("us", tz=column.type.tz)), pa.int64())
    moments = pc.fill_null(pc.cast(column, pa.int64()), 0)
    return np.asarray(moments.to_numpy(), dtype=np.int64)
