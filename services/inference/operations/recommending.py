"""Recommendations for a tenant's users and items by algorithm: always useful, always honest."""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.problems import unknown_reference
from inference.domain import explanations
from inference.domain.models import POPULARITY, STAND_INS
from inference.domain.rankings import Recommended, below
from inference.operations.catalogue import Catalogue
from inference.operations.histories import Histories, Known
from inference.operations.patience import wait_until
from inference.operations.popularity import Popularity
from inference.operations.scoring import Profile, Scoring
from inference.operations.serving import Serving, Shelf
from inference.scorers import Ranking


@dataclass(frozen=True, slots=True)
class Recommendations:
    """An answer and the model that gave it; without a model, popularity did."""

    items: tuple[Recommended, ...]
    serving: Serving | None

    @property
    def version(self) -> str:
        """Return the version of the model that answered."""
        return POPULARITY if self.serving is None else self.serving.model.version


class Recommender:
    """Answers for algorithms, whichever models a tenant has."""

    def __init__(
        self,
        *,
        shelf: Shelf,
        histories: Histories,
        catalogue: Catalogue,
        scoring: Scoring,
        popularity: Popularity,
        patience: float,
    ) -> None:
        """Wait `patience` seconds for an item that nobody has spoken of yet."""
        self._shelf = shelf
        self._histories = histories
        self._catalogue = catalogue
        self._scoring = scoring
        self._popularity = popularity
        self._patience = patience

    async def recommend(
        self, tenant_id: str, user_id: str, *, count: int, algorithm: str
    ) -> Recommendations:
        """Return the best items for a user by the algorithm, or by the best that stands in."""
        known = await self._histories.of(tenant_id, user_id)
        first: Serving | None = None
        for name in STAND_INS[algorithm]:
            serving = await self._shelf.answering(tenant_id, name)
            if serving is None:
                continue
            first = first or serving
            profile = self._scoring.profile(serving, user_id, known)
            items = self._personal(tenant_id, serving, profile, count)
            if items:
                missing = count - len(items)
                if missing:
                    items += self._fill(serving, profile, missing, items)
                return Recommendations(tuple(items), serving)
        return await self._impersonal(tenant_id, user_id, known, first, count)

    async def similar(self, tenant_id: str, item_id: str, *, count: int) -> Recommendations:
        """Return the items most like one, by the first model that knows it.

        Raises:
            Invalid: the tenant has no such item.
        """
        for name in STAND_INS["collaborative"]:
            serving = await self._shelf.answering(tenant_id, name)
            if serving is None or serving.scorer.position(item_id) is None:
                continue
            ranking = self._scoring.similar(serving, item_id, k=count)
            if len(ranking):
                items = (
                    Recommended(item, score, name, "")
                    for item, score in zip(ranking.items, ranking.scores, strict=True)
                )
                return Recommendations(tuple(items), serving)
        if not await wait_until(
            lambda: self._catalogue.knows(tenant_id, item_id), seconds=self._patience
        ):
            raise unknown_reference("itemId", item_id)
        return Recommendations((), None)

    def _personal(
        self, tenant_id: str, serving: Serving, profile: Profile, count: int
    ) -> list[Recommended]:
        if not (serving.scorer.personal and profile.pasts):
            return []
        algorithm = serving.model.algorithm or serving.model.learner
        answer = self._scoring.rank(serving, profile, k=count, reasons=explanations.NAMED)

        def title(item: str) -> str:
            return self._catalogue.title(tenant_id, item)

        return [
            Recommended(item, score, algorithm, explanations.because_of(past, title))
            for item, score, past in zip(
                answer.ranking.items, answer.ranking.scores, answer.reasons, strict=True
            )
        ]

    def _fill(
        self, serving: Serving, profile: Profile, missing: int, found: Sequence[Recommended]
    ) -> list[Recommended]:
        """Return popular items for the places that the user's own history left empty."""
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
            ranking = self._scoring.popular(serving, profile, k=count)
            if len(ranking):
                return Recommendations(tuple(_popular(_pairs(ranking), sentence)), serving)
        _edition, blocked = self._catalogue.blocked(tenant_id)
        consumed = {entry.item for entry in known.history.entries} | blocked
        counted = await self._popularity.strongest(tenant_id)
        left = [pair for pair in counted if pair[0] not in consumed][:count]
        if left:
            return Recommendations(tuple(_popular(left, sentence)), None)
        newest = self._catalogue.newest(tenant_id, limit=count + len(known.history))
        fresh = [item for item in newest if item not in consumed][:count]
        steps = [(item, float(len(fresh) - place)) for place, item in enumerate(fresh)]
        return Recommendations(tuple(_popular(steps, explanations.NEWEST)), None)


def _pairs(ranking: Ranking) -> list[tuple[str, float]]:
    return list(zip(ranking.items, ranking.scores, strict=True))


def _popular(
    pairs: Sequence[tuple[str, float]], sentence: str, *, last: float | None = None
) -> list[Recommended]:
    top = max((score for _item, score in pairs), default=0.0)
    shares = [score / top if top > 0 else 0.0 for _item, score in pairs]
    scores = below(last, shares)
    return [
        Recommended(item, score, POPULARITY, sentence)
        for (item, _count), score in zip(pairs, scores, strict=True)
    ]
