"""Scorers of a few lines: what the engine promises, without an artefact."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from contracts.artefact import Manifest
from inference.scorers import History, Past, Profile, Ranking, Reason, Shares, Trait, strongest
from inference.scorers.arrays import Floats, Mask
from inference.scorers.profile import profile_of

#: Movies: the first four are space operas, the last four are musicals; both are liked together.
ITEMS = tuple(f"movie-{n}" for n in range(8))
USERS = {"ann": ("movie-0", "movie-1"), "ben": ("movie-4",)}


def neighbours() -> Floats:
    """Return how like each other the movies are: more within their kind."""
    same = np.equal.outer(np.arange(8) // 4, np.arange(8) // 4)
    likeness = np.where(same, 0.5, 0.1) + np.linspace(0.08, 0.01, 8)
    np.fill_diagonal(likeness, 0.0)
    return likeness.astype(np.float32)


@dataclass(frozen=True)
class NeighbourScorer:
    """Adds up how like an item is to each item of the history."""

    items: tuple[str, ...] = ITEMS
    users: Mapping[str, Sequence[str]] = field(default_factory=lambda: USERS)
    likeness: Floats = field(default_factory=neighbours)
    personal: bool = True
    nbytes: int = 1000

    @property
    def manifest(self) -> Manifest:
        return Manifest(kind="double", learner="double", seed=1, data_digest="0" * 64)

    @property
    def item_ids(self) -> Sequence[str]:
        return self.items

    def position(self, item_id: str) -> int | None:
        return self.items.index(item_id) if item_id in self.items else None

    def mask(self, item_ids: Collection[str]) -> Mask:
        return np.array([item in item_ids for item in self.items])

    def known_user(self, user_id: str) -> bool:
        return user_id in self.users

    def trained_history(self, user_id: str, *, now: float | None = None) -> list[Past]:
        return [Past(item) for item in self.users[user_id]]

    def sample_user(self, draw: float) -> str:
        return list(self.users)[int(draw * len(self.users))]

    def read(self, history: Sequence[Past]) -> Profile:
        return profile_of(history, {item: at for at, item in enumerate(self.items)}, None)

    def recommend(
        self,
        history: History,
        *,
        k: int,
        exclude: Collection[str] = (),
        allowed: Mask | None = None,
        include_seen: bool = False,
    ) -> Ranking:
        read = self._read(history)
        seen = {self.items[at] for at in read.seen}
        if not self.personal:
            return self.popular(k=k, exclude=seen | set(exclude))
        if not read.positions.size:
            return Ranking((), (), np.array([], dtype=np.int64))
        scores = read.strengths.astype(np.float32) @ self.likeness[read.positions]
        left_out = set(exclude) if include_seen else seen | set(exclude)
        return self._top(scores, k, left_out, allowed)

    def popular(
        self, *, k: int, exclude: Collection[str] = (), allowed: Mask | None = None
    ) -> Ranking:
        counts = np.arange(len(self.items), 0, -1, dtype=np.float32)
        return self._top(counts, k, set(exclude), allowed)

    def similar(self, item_id: str, *, k: int, allowed: Mask | None = None) -> Ranking:
        if item_id not in self.items:
            raise KeyError(item_id)
        return self._top(self.likeness[self.items.index(item_id)], k, {item_id}, allowed)

    def shares(self, history: History, ranking: Ranking) -> Shares:
        read = self._read(history)
        votes = self.likeness[np.ix_(read.positions, ranking.positions)]
        items = tuple(self.items[at] for at in read.positions)
        return Shares(items, votes * read.strengths[:, None])

    def contributions(
        self, history: History, ranking: Ranking, *, top: int = 3
    ) -> list[list[Reason]]:
        return strongest(self.shares(history, ranking), top=top)

    def traits(self, history: History, ranking: Ranking) -> list[Trait | None]:
        return [None] * len(ranking)

    def _read(self, history: History) -> Profile:
        return history if isinstance(history, Profile) else self.read(history)

    def _top(self, scores: Floats, k: int, left_out: set[str], allowed: Mask | None) -> Ranking:
        order = [
            at
            for at in np.argsort(-scores, kind="stable")
            if self.items[at] not in left_out and (allowed is None or allowed[at])
        ][:k]
        return Ranking(
            tuple(self.items[at] for at in order),
            tuple(float(scores[at]) for at in order),
            np.array(order, dtype=np.int64),
        )
