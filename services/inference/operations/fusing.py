"""The hybrid of a tenant's models, made while serving: it needs no training of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference.domain.fusion import Fused, Voice, fuse, weights
from inference.operations.histories import Known
from inference.operations.scoring import Profile, Scoring
from inference.operations.serving import Serving
from inference.scorers import Ranking

#: Candidates of each model, for each item that is asked for, and at least.
_CANDIDATES_PER_ITEM = 3
_CANDIDATES = 50
_REMEMBERED = "hybrid"


@dataclass(frozen=True, slots=True)
class Because:
    """A fused item and the past items that raised its score most."""

    fused: Fused
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Member:
    serving: Serving
    profile: Profile
    voice: Voice


class Fusing:
    """Asks several models and makes one answer of theirs."""

    def __init__(self, scoring: Scoring) -> None:
        """Ask through `scoring`."""
        self._scoring = scoring

    def rank(
        self, servings: Sequence[Serving], user_id: str, known: Known, *, k: int, reasons: int
    ) -> list[Because]:
        """Return the best items by all models together; remembered while nothing changes."""
        editions = [self._scoring.edition(serving) for serving in servings]
        question = (k, reasons, editions, [serving.model.model_id for serving in servings])
        before = known.merged.get(_REMEMBERED)
        if before is not None and before[0] == question:
            found: list[Because] = before[1]
            return found
        found = self._fused(servings, user_id, known, k, reasons)
        known.merged[_REMEMBERED] = (question, found)
        return found

    def _fused(
        self, servings: Sequence[Serving], user_id: str, known: Known, k: int, reasons: int
    ) -> list[Because]:
        members = self._members(
            servings, user_id, known, max(_CANDIDATES, _CANDIDATES_PER_ITEM * k)
        )
        chosen = fuse([member.voice for member in members], k=k)
        shares: list[dict[str, float]] = [{} for _ in chosen]
        for member in members:
            _add_shares(member, chosen, shares)
        return [
            Because(fused, tuple(sorted(share, key=share.__getitem__, reverse=True)[:reasons]))
            for fused, share in zip(chosen, shares, strict=True)
        ]

    def _members(
        self, servings: Sequence[Serving], user_id: str, known: Known, candidates: int
    ) -> list[_Member]:
        counts = weights([serving.scorer.manifest.metrics.get("ndcg") for serving in servings])
        members = []
        for serving, weight in zip(servings, counts, strict=True):
            profile = self._scoring.profile(serving, user_id, known)
            ranking = self._scoring.rank(serving, profile, k=candidates).ranking
            scores = dict(zip(ranking.items, ranking.scores, strict=True))
            name = serving.model.algorithm or serving.model.learner
            members.append(_Member(serving, profile, Voice(name, weight, scores)))
        return members


def _add_shares(
    member: _Member, chosen: Sequence[Fused], shares: Sequence[dict[str, float]]
) -> None:
    """Add to each chosen item's shares what this member's past items contributed to the sum."""
    scorer, voice = member.serving.scorer, member.voice
    places = [place for place, fused in enumerate(chosen) if fused.item in voice.scores]
    items = tuple(chosen[place].item for place in places)
    positions = np.array([scorer.position(item) for item in items], dtype=np.int64)
    ranking = Ranking(items, tuple(voice.scores[item] for item in items), positions)
    found = scorer.contributions(member.profile.pasts, ranking)
    for place, reasons in zip(places, found, strict=True):
        for reason in reasons:
            before = shares[place].get(reason.item, 0.0)
            shares[place][reason.item] = before + reason.share * voice.unit
