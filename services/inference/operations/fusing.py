"""The hybrid of a tenant's models, made while serving: it needs no training of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference.domain.explanations import NAMED, Why
from inference.domain.fusion import Fused, Voice, fuse, weights
from inference.operations.histories import Known
from inference.operations.scoring import Profile, Scoring
from inference.operations.serving import Serving
from inference.scorers import Ranking, Shares, Trait, strongest

#: Candidates of each model, for each item that is asked for, and at least.
_CANDIDATES_PER_ITEM = 3
_CANDIDATES = 50
_REMEMBERED = "hybrid"


@dataclass(frozen=True, slots=True)
class Because:
    """A fused item and what raised its score most."""

    fused: Fused
    why: Why


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
        self, servings: Sequence[Serving], user_id: str, known: Known, *, k: int
    ) -> list[Because]:
        """Return the best items by all models together; remembered while nothing changes."""
        editions = [self._scoring.edition(serving) for serving in servings]
        question = (k, editions, [serving.model.model_id for serving in servings])
        before = known.merged.get(_REMEMBERED)
        if before is not None and before[0] == question:
            found: list[Because] = before[1]
            return found
        found = self._fused(servings, user_id, known, k)
        known.merged[_REMEMBERED] = (question, found)
        return found

    def _fused(
        self, servings: Sequence[Serving], user_id: str, known: Known, k: int
    ) -> list[Because]:
        members = self._members(
            servings, user_id, known, max(_CANDIDATES, _CANDIDATES_PER_ITEM * k)
        )
        chosen = fuse([member.voice for member in members], k=k)
        whys = _whys(members, [fused.item for fused in chosen])
        return [Because(fused, why) for fused, why in zip(chosen, whys, strict=True)]

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


def _whys(members: Sequence[_Member], chosen: Sequence[str]) -> list[Why]:
    """Return what raised the chosen items' sums most, by what each member's part is made of."""
    pasts = dict.fromkeys(past.item for member in members for past in member.profile.pasts)
    rows = {item: row for row, item in enumerate(pasts)}
    parts = np.zeros((len(rows), len(chosen)))
    traits: list[Trait | None] = [None for _ in chosen]
    for member in members:
        unit = member.voice.unit
        places = [place for place, item in enumerate(chosen) if item in member.voice.scores]
        ranking = _ranked(member, [chosen[place] for place in places])
        shares = member.serving.scorer.shares(member.profile.read, ranking)
        parts[np.ix_([rows[item] for item in shares.items], places)] += shares.parts * unit
        found = member.serving.scorer.traits(member.profile.read, ranking)
        for place, trait in zip(places, found, strict=True):
            if trait is not None:  # one of the models that answer together knows features
                traits[place] = Trait(trait.name, trait.share * unit)
    reasons = strongest(Shares(tuple(rows), parts), top=NAMED)
    return [Why.of(dict(past), trait) for past, trait in zip(reasons, traits, strict=True)]


def _ranked(member: _Member, items: Sequence[str]) -> Ranking:
    """Return these items as the member's ranking, which its scorer can be asked about."""
    scorer, scores = member.serving.scorer, member.voice.scores
    positions = np.array([scorer.position(item) for item in items], dtype=np.int64)
    return Ranking(tuple(items), tuple(scores[item] for item in items), positions)
