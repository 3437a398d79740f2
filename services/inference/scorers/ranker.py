"""The one scorer of all recommender kinds: ids outside, positions inside, a model in the middle."""

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from contracts.artefact import Manifest
from inference.scorers.arrays import Doubles, Floats, Mask, Scores
from inference.scorers.content import Content
from inference.scorers.model import Model
from inference.scorers.people import People
from inference.scorers.profile import Profile, profile_of
from inference.scorers.scorer import (
    History,
    Past,
    Ranking,
    Reason,
    Shares,
    Trait,
    largest,
)
from inference.scorers.top import top


@dataclass(frozen=True)
class Ranker:
    """A `Scorer` made of a manifest, the items, the people and the model; see there for each
    call."""

    manifest: Manifest
    item_ids: tuple[str, ...]
    place: Mapping[str, int]
    popularity: Floats
    people: People
    model: Model

    @property
    def nbytes(self) -> int:
        names = sum(sys.getsizeof(item_id) + 120 for item_id in self.item_ids)
        return names + self.popularity.nbytes + self.people.nbytes + self.model.nbytes

    @property
    def personal(self) -> bool:
        return self.model.personal

    def position(self, item_id: str) -> int | None:
        return self.place.get(item_id)

    def mask(self, item_ids: Collection[str]) -> Mask:
        mask = np.zeros(len(self.item_ids), dtype=bool)
        mask[self._positions(item_ids)] = True
        return mask

    def known_user(self, user_id: str) -> bool:
        return self.people.names.find(user_id) is not None

    def trained_history(self, user_id: str, *, now: float | None = None) -> list[Past]:
        return self.people.history(user_id, self.item_ids, now=now)

    def sample_user(self, draw: float) -> str:
        names = self.people.names
        if not len(names):
            raise LookupError("this model was trained on no users")
        return names[min(int(draw * len(names)), len(names) - 1)]

    def read(self, history: Sequence[Past]) -> Profile:
        half_life = self.manifest.details.get("history_half_life")
        return profile_of(history, self.place, half_life)

    def recommend(
        self,
        history: History,
        *,
        k: int,
        exclude: Collection[str] = (),
        allowed: Mask | None = None,
        include_seen: bool = False,
    ) -> Ranking:
        profile = self._profile(history)
        if self.personal and not profile.positions.size:
            return Ranking((), (), np.empty(0, dtype=np.int64))
        scores = self.model.scores(profile)
        if not include_seen:
            scores[profile.seen] = -np.inf
        return self._ranked(scores, k, exclude, allowed)

    def popular(
        self, *, k: int, exclude: Collection[str] = (), allowed: Mask | None = None
    ) -> Ranking:
        return self._ranked(self.popularity.copy(), k, exclude, allowed)

    def similar(self, item_id: str, *, k: int, allowed: Mask | None = None) -> Ranking:
        nearness = self.model.nearness(self.place[item_id])
        return self._ranked(nearness, k, (item_id,), allowed)

    def shares(self, history: History, ranking: Ranking) -> Shares:
        pasts, parts = self._parts(history, ranking)
        return Shares(tuple(self.item_ids[past] for past in pasts), parts)

    def contributions(
        self, history: History, ranking: Ranking, *, top: int = 3
    ) -> list[list[Reason]]:
        pasts, parts = self._parts(history, ranking)
        return [
            [Reason(self.item_ids[pasts[row]], share) for row, share in column]
            for column in largest(parts, top=top)
        ]

    def traits(self, history: History, ranking: Ranking) -> list[Trait | None]:
        if not isinstance(self.model, Content):  # the only kind that knows features by names
            return [None] * len(ranking)
        return self.model.traits(self._profile(history), ranking.positions)

    def _parts(self, history: History, ranking: Ranking) -> tuple[list[int], Doubles]:
        """Return the positions (m,) of past items that have shares, and these (m, k)."""
        profile = self._profile(history)
        if not (self.personal and profile.positions.size):
            return [], np.zeros((0, len(ranking)))
        return profile.positions.tolist(), self.model.shares(profile, ranking.positions)

    def _profile(self, history: History) -> Profile:
        return history if isinstance(history, Profile) else self.read(history)

    def _positions(self, item_ids: Collection[str]) -> list[int]:
        place = self.place
        return [place[item_id] for item_id in item_ids if item_id in place]

    def _ranked(
        self, scores: Scores, k: int, exclude: Collection[str], allowed: Mask | None
    ) -> Ranking:
        if exclude:
            scores[self._positions(exclude)] = -np.inf
        if allowed is not None:
            scores[~allowed] = -np.inf
        best = top(scores, k)
        items = tuple(self.item_ids[position] for position in best.tolist())
        return Ranking(items, tuple(scores[best].tolist()), best)
