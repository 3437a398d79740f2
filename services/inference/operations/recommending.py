"""Recommendations for a tenant's users and items by algorithm: always useful, always honest."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from chassis.problems import unknown_reference
from inference.domain import explanations
from inference.domain.explanations import Why
from inference.domain.models import HYBRID, LIKENESS, POPULARITY, STAND_INS
from inference.domain.rankings import Recommended, below
from inference.operations.catalogue import Catalogue
from inference.operations.fusing import Fusing
from inference.operations.histories import Histories, Known
from inference.operations.patience import wait_until
from inference.operations.popularity import Popularity
from inference.operations.scoring import Profile, Scoring
from inference.operations.serving import Serving, Shelf
from inference.operations.sessions import Sessions
from inference.scorers import Ranking

NewestLoaded = Callable[[str, str], Awaitable[int | None]]


@dataclass(frozen=True, slots=True)
class Recommendations:
    """An answer and the models that gave it; where there are none, popularity did."""

    items: tuple[Recommended, ...]
    servings: tuple[Serving, ...] = ()

    @property
    def version(self) -> str:
        """Return the version of what answered."""
        return "+".join(serving.model.version for serving in self.servings) or POPULARITY


class Recommender:
    """Answers for algorithms, whichever models a tenant has."""

    def __init__(
        self,
        *,
        shelf: Shelf,
        histories: Histories,
        sessions: Sessions,
        catalogue: Catalogue,
        scoring: Scoring,
        popularity: Popularity,
        newest_loaded: NewestLoaded,
        patience: float,
    ) -> None:
        """Wait `patience` seconds for what others know of already and this process does not.

        `newest_loaded` names the model that answers for an algorithm in some process.
        """
        self._shelf = shelf
        self._histories = histories
        self._sessions = sessions
        self._catalogue = catalogue
        self._scoring = scoring
        self._fusing = Fusing(scoring)
        self._popularity = popularity
        self._newest_loaded = newest_loaded
        self._patience = patience

    async def recommend(
        self,
        tenant_id: str,
        user_id: str,
        *,
        count: int,
        algorithm: str,
        session_id: str | None = None,
    ) -> Recommendations:
        """Return the best items for a user by the algorithm, or by the best that stands in.

        Nothing stands in for a model of the algorithm that is only not in memory.

        Raises:
            Unavailable: there is a model, but it could not be loaded in time.
        """
        known = await self._histories.of(tenant_id, user_id)
        if session_id is not None:
            known = await self._sessions.beside(known, tenant_id, session_id)
        first: Serving | None = None
        for names in STAND_INS[algorithm]:
            servings = await self._answering(tenant_id, names, asked_for=algorithm)
            if not servings:
                continue
            first = first or servings[0]
            items = self._personal(servings, user_id, known, count)
            if items:
                profile = self._scoring.profile(servings[0], user_id, known)
                items += self._fill(servings[0], profile, count - len(items), items)
                return Recommendations(tuple(items), servings)
        return await self._impersonal(tenant_id, user_id, known, first, count)

    async def similar(self, tenant_id: str, item_id: str, *, count: int) -> Recommendations:
        """Return the items most like one, by the first model that knows it.

        Raises:
            Invalid: the tenant has no such item.
        """
        if self._catalogue.has_lost(tenant_id, item_id):  # models may still know it
            raise unknown_reference("itemId", item_id)
        for name in LIKENESS:
            serving = await self._shelf.answering(tenant_id, name)
            if serving is None or serving.scorer.position(item_id) is None:
                continue
            ranking = self._scoring.similar(serving, item_id, k=count)
            items = [Recommended(i, score, name, "") for i, score in _pairs(ranking) if score > 0]
            if items:
                return Recommendations(tuple(items), (serving,))
        if not await wait_until(
            lambda: self._catalogue.knows(tenant_id, item_id), seconds=self._patience
        ):
            raise unknown_reference("itemId", item_id)
        return Recommendations(())

    async def _answering(
        self, tenant_id: str, names: Sequence[str], *, asked_for: str
    ) -> tuple[Serving, ...]:
        if asked_for in names:
            await self._heard_of(tenant_id, asked_for)
        found = await asyncio.gather(
            *(self._shelf.answering(tenant_id, n, is_named=n == asked_for) for n in names)
        )
        return tuple(serving for serving in found if serving is not None)

    async def _heard_of(self, tenant_id: str, algorithm: str) -> None:
        """Wait for the announcement of a model that another process answers by already."""
        if self._shelf.has(tenant_id, algorithm):
            return
        if await self._newest_loaded(tenant_id, algorithm) is not None:
            has = partial(self._shelf.has, tenant_id, algorithm)
            await wait_until(has, seconds=self._patience)

    def _personal(
        self, servings: Sequence[Serving], user_id: str, known: Known, count: int
    ) -> list[Recommended]:
        voices = []
        for serving in servings:
            profile = self._scoring.profile(serving, user_id, known)
            if serving.scorer.personal and profile.pasts:
                voices.append((serving, profile))
        if len(voices) > 1:
            return self._fused([serving for serving, _profile in voices], user_id, known, count)
        return [row for voice in voices for row in self._alone(*voice, known, count)]

    def _alone(
        self, serving: Serving, profile: Profile, known: Known, count: int
    ) -> list[Recommended]:
        model = serving.model
        answer = self._scoring.rank(serving, profile, k=count, reasons=True)
        name = model.algorithm or model.learner
        return [
            Recommended(item, score, name, self._sentence(model.tenant_id, why, known))
            for (item, score), why in zip(_pairs(answer.ranking), answer.reasons, strict=True)
            # Without a reason it is not a recommendation, but the order that items lie in.
            if score > 0 and why.past
        ]

    def _fused(
        self, servings: Sequence[Serving], user_id: str, known: Known, count: int
    ) -> list[Recommended]:
        found = self._fusing.rank(servings, user_id, known, k=count)
        rows = []
        for each in found:
            if not each.why.past:
                continue
            # An item that one model alone found is that model's recommendation.
            alone = len(each.fused.voices) == 1
            name = each.fused.voices[0] if alone else HYBRID
            sentence = self._sentence(servings[0].model.tenant_id, each.why, known)
            rows.append(Recommended(each.fused.item, each.fused.score, name, sentence))
        return rows

    def _sentence(self, tenant_id: str, why: Why, known: Known) -> str:
        title = partial(self._catalogue.title, tenant_id)
        return explanations.because_of(why, title, session=known.session)

    def _fill(
        self, serving: Serving, profile: Profile, missing: int, found: Sequence[Recommended]
    ) -> list[Recommended]:
        """Return popular items for the places that the user's own history left empty."""
        if missing <= 0:
            return []
        named = {recommended.item for recommended in found}
        ranking = self._scoring.popular(serving, profile, k=missing + len(named))
        left = [pair for pair in _pairs(ranking) if pair[0] not in named][:missing]
        return _popular(left, explanations.FILLED_UP, last=found[-1].score)

    async def _impersonal(
        self, tenant_id: str, user_id: str, known: Known, serving: Serving | None, count: int
    ) -> Recommendations:
        """Return what is popular, by a model or by all interactions so far, or what is new."""
        sentence = explanations.NEW_TASTE if known.pasts else explanations.NEW_USER
        if serving is not None:
            profile = self._scoring.profile(serving, user_id, known)
            sentence = explanations.NEW_TASTE if profile.pasts else explanations.NEW_USER
            ranking = self._scoring.popular(serving, profile, k=count)
            if len(ranking):
                return Recommendations(tuple(_popular(_pairs(ranking), sentence)), (serving,))
        _edition, blocked = self._catalogue.blocked(tenant_id)
        consumed = {entry.item for entry in known.history.entries} | blocked
        counted = await self._popularity.strongest(tenant_id)
        left = [pair for pair in counted if pair[0] not in consumed][:count]
        if left:
            return Recommendations(tuple(_popular(left, sentence)))
        newest = self._catalogue.newest(tenant_id, limit=count + len(known.history))
        fresh = [item for item in newest if item not in consumed][:count]
        steps = [(item, float(len(fresh) - place)) for place, item in enumerate(fresh)]
        return Recommendations(tuple(_popular(steps, explanations.NEWEST)))


def _pairs(ranking: Ranking) -> list[tuple[str, float]]:
    return list(zip(ranking.items, ranking.scores, strict=True))


def _popular(
    pairs: Sequence[tuple[str, float]], sentence: str, *, last: float | None = None
) -> list[Recommended]:
    top = max((score for _item, score in pairs), default=0.0)
    shares = [score / top if top > 0 else 0.0 for _item, score in pairs]
    scores = below(last, shares)
    return [
        Recommended(item, score, POPULARITY, sentence if count > 0 else explanations.UNTRIED)
        for (item, count), score in zip(pairs, scores, strict=True)
    ]
