"""The matrix that learners learn from: users by items, each pair once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import Any, Self
from zlib import crc32

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from training.learners.arrays import Codes, Csr, Floats, csr
from training.learners.interactions import Interactions
from training.learners.orders import NothingLearnt


@dataclass(frozen=True)
class Matrix:
    """Users by items, each pair once: its strongest weight and its latest time.

    Items stand most popular first (then by id), so that the lower position wins a tie; users by id.
    `seen` holds every pair, weights clipped at 0; `times` (int64 microseconds) goes with
    `seen.data`.
    """

    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    seen: Csr
    times: Codes | None

    @cached_property
    def liked(self) -> Csr:
        """Return the pairs of positive weight (users, items) in float32: what learners learn
        from."""
        liked = self.seen.copy()
        liked.eliminate_zeros()
        return liked

    @cached_property
    def popularity(self) -> Floats:
        """Return how many users liked each item (items,)."""
        return np.bincount(self.liked.indices, minlength=len(self.item_ids)).astype(np.float32)

    @cached_property
    def chance(self) -> Codes:
        """Return a fixed shuffle of the items (items,): orders what happened at the same moment.

        Any order that knows popularity or age would leak it into what is held out.
        """
        return np.array([crc32(item_id.encode()) for item_id in self.item_ids], dtype=np.int64)

    @property
    def warm(self) -> int:
        """Return how many items somebody liked; thanks to the order they are the first ones."""
        liked = np.flatnonzero(self.popularity)
        return int(liked[-1]) + 1 if liked.size else 0

    @property
    def newest(self) -> int | None:
        """Return the time of the last interaction, microseconds since 1970."""
        if self.times is None or not self.times.size:
            return None
        return int(self.times.max())

    def keeping(self, kept: NDArray[np.bool_]) -> Self:
        """Return the matrix of only these entries of `seen`, users and items standing as they
        are."""
        counts = np.concatenate(([0], np.cumsum(kept)))[self.seen.indptr]
        seen = csr(self.seen.data[kept], self.seen.indices[kept], counts, shape=self.seen.shape)
        times = None if self.times is None else self.times[kept]
        return replace(self, seen=seen, times=times)

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256, hex, of everything learners can see here."""
        sum_ = sha256()
        for names in (self.user_ids, self.item_ids):
            for name in names:
                encoded = name.encode()
                sum_.update(len(encoded).to_bytes(8, "little") + encoded)
        parts = (self.seen.indptr.astype(np.int64), self.seen.indices.astype(np.int64))
        for part in (*parts, self.seen.data, self.times):
            sum_.update(b"-" if part is None else np.ascontiguousarray(part).tobytes())
        return sum_.hexdigest()


def matrix_of(interactions: Interactions, also: Sequence[str] = ()) -> Matrix:
    """Return the matrix of these interactions; `also` names items that nobody may have touched.

    NothingLearnt where there is no interaction.
    """
    if not len(interactions):
        raise NothingLearnt("there are no interactions to learn from")
    users, user_ids = _coded(interactions.users)
    items, item_ids = _coded(interactions.items)
    pairs = _Pairs.of(users, items, interactions, len(item_ids))
    order = _by_popularity(pairs, item_ids)
    extra = sorted(set(also) - set(item_ids))
    shape = (len(user_ids), len(item_ids) + len(extra))
    place = np.empty(len(item_ids), dtype=np.int64)
    place[order] = np.arange(len(item_ids))
    arrangement = np.lexsort((place[pairs.items], pairs.users))
    seen = csr(
        np.maximum(pairs.weights, 0)[arrangement],
        place[pairs.items][arrangement],
        np.concatenate(([0], np.cumsum(np.bincount(pairs.users, minlength=shape[0])))),
        shape=shape,
    )
    return Matrix(
        user_ids=tuple(user_ids),
        item_ids=(*(item_ids[code] for code in order), *extra),
        seen=seen,
        times=None if pairs.times is None else pairs.times[arrangement],
    )


@dataclass(frozen=True)
class _Pairs:
    """Each (user, item) once."""

    users: Codes
    items: Codes
    weights: Floats
    times: Codes | None

    @classmethod
    def of(cls, users: Codes, items: Codes, rows: Interactions, n_items: int) -> Self:
        keys = users * n_items + items
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
        first = order[starts]
        times = None if rows.times is None else np.maximum.reduceat(rows.times[order], starts)
        strongest = np.maximum.reduceat(rows.weights[order], starts)
        return cls(users=users[first], items=items[first], weights=strongest, times=times)


def _by_popularity(pairs: _Pairs, item_ids: Sequence[str]) -> list[int]:
    likes = np.bincount(pairs.items[pairs.weights > 0], minlength=len(item_ids))
    return [int(code) for code in np.lexsort((np.arange(len(item_ids)), -likes))]


def _coded(names: pa.Array) -> tuple[Codes, list[str]]:
    """Return each row's place in the sorted list of distinct names, and that list."""
    encoded = names.dictionary_encode()
    distinct: list[Any] = encoded.dictionary.to_pylist()
    order = sorted(range(len(distinct)), key=distinct.__getitem__)
    place = np.empty(len(distinct), dtype=np.int64)
    place[order] = np.arange(len(distinct))
    codes = np.asarray(encoded.indices.to_numpy(), dtype=np.int64)
    return place[codes], [distinct[code] for code in order]
