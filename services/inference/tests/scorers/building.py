"""Scorers of a few items, built from their parts; items are named a, b, c, …"""

from collections.abc import Sequence

import numpy as np

from contracts.artefact import Manifest
from inference.scorers.arrays import Rows
from inference.scorers.model import Model
from inference.scorers.names import Names
from inference.scorers.people import People
from inference.scorers.profile import Profile
from inference.scorers.ranker import Ranker

LETTERS = "abcdefghij"


def sparse(dense: Sequence[Sequence[float]]) -> Rows:
    """Return the compressed rows of a small dense table."""
    table = np.array(dense, dtype=np.float32)
    owners, indices = np.nonzero(table)
    counts = np.bincount(owners, minlength=len(table))
    return Rows(
        np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        indices.astype(np.int32),
        table[owners, indices],
        table.shape[1],
    )


def profile(*cells: tuple[int, float]) -> Profile:
    """Return the profile of (position, strength) pairs."""
    return Profile(
        np.array([position for position, _ in cells], dtype=np.int64),
        np.array([strength for _, strength in cells], dtype=np.float64),
    )


def names(*told: str) -> Names:
    """Return names as an artefact keeps them."""
    lengths = [len(name.encode()) for name in told]
    offsets = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int64)
    return Names("".join(told).encode(), offsets)


def ranker(model: Model, *, popularity: Sequence[float], half_life: float | None = None) -> Ranker:
    """Return a ranker with users u (who had a, then b) and v (who had nothing)."""
    item_ids = tuple(LETTERS[: len(popularity)])
    had = Rows(
        np.array([0, 2, 2]),
        np.array([1, 0], dtype=np.int32),
        np.array([1.0, 2.0], dtype=np.float32),
        len(item_ids),
    )
    people = People(names("u", "v"), had, np.array([5, 60], dtype=np.int32), newest_at=1000)
    manifest = Manifest(
        kind="small",
        learner="by hand",
        seed=0,
        data_digest="00" * 32,
        details={"history_half_life": half_life},
    )
    return Ranker(
        manifest=manifest,
        item_ids=item_ids,
        place={item_id: position for position, item_id in enumerate(item_ids)},
        popularity=np.array(popularity, dtype=np.float32),
        people=people,
        model=model,
    )
