"""Predictions by a model of a project, named or drawn through the project's slots."""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.identity import Caller
from chassis.problems import Forbidden, NotFound
from inference.domain.slots import Slot
from inference.operations.catalogue import Catalogue
from inference.operations.histories import Histories
from inference.operations.patience import wait_until
from inference.operations.scoring import Scoring
from inference.operations.serving import Serving, Shelf
from inference.operations.slots import Slots
from inference.scorers import HISTORY_LIMIT, Past, Ranking


@dataclass(frozen=True, slots=True)
class Prediction:
    """One user's ranking; None for a user whom the model does not know."""

    user_id: str
    ranking: Ranking | None


@dataclass(frozen=True, slots=True)
class Sample:
    """Somebody whom a model knows, what that one did, newest first, and what the model says."""

    user_id: str
    items: tuple[str, ...]
    ranking: Ranking


class Predictor:
    """Answers with one model."""

    def __init__(
        self,
        *,
        shelf: Shelf,
        histories: Histories,
        catalogue: Catalogue,
        scoring: Scoring,
        slots: Slots,
        patience: float,
    ) -> None:
        """Wait `patience` seconds for a model or slot that nobody has spoken of yet."""
        self._shelf = shelf
        self._histories = histories
        self._catalogue = catalogue
        self._scoring = scoring
        self._slots = slots
        self._patience = patience

    async def model(self, caller: Caller, model_id: int) -> Serving:
        """Return a model that the caller may ask.

        Raises:
            NotFound: there is none, or it is another tenant's.
            Forbidden: it is of another project than the caller's key.
        """
        await wait_until(lambda: self._is_there(caller, model_id), seconds=self._patience)
        if not self._is_there(caller, model_id):
            raise NotFound(f"Model {model_id} not found")
        if not self._is_open(caller, model_id):
            if caller.kind == "person":
                raise NotFound(f"Model {model_id} not found")
            raise Forbidden("API key not authorized for this model's project")
        return await self._shelf.named(model_id)

    async def slot(self, caller: Caller, project_id: int, user_id: str) -> tuple[Slot, Serving]:
        """Return the slot that answers a user of a project, and its model.

        Raises:
            NotFound: the project has no active slot, or is another tenant's.
            Forbidden: it is another project of the tenant than the caller's key is for.
        """
        if not self._catalogue.may_see(caller, project_id):
            if caller.kind == "key" and self._catalogue.has_project(caller.tenant_id, project_id):
                raise Forbidden("API key not authorized for this project")
            raise NotFound("No active deployment slots for project")
        await wait_until(
            lambda: self._slots.has(caller.tenant_id, project_id), seconds=self._patience
        )
        slot = self._slots.draw(caller.tenant_id, project_id, user_id)
        return slot, await self._shelf.named(slot.model_id)

    async def predict(
        self, serving: Serving, users: Sequence[str], *, cutoff: int
    ) -> list[Prediction]:
        """Return each user's ranking, in order."""
        found = await self._histories.of_many(serving.model.tenant_id, users)
        predictions = []
        for user_id, known in zip(users, found, strict=True):
            profile = self._scoring.profile(serving, user_id, known)
            answer = self._scoring.rank(serving, profile, k=cutoff) if profile.is_known else None
            predictions.append(Prediction(user_id, answer.ranking if answer else None))
        return predictions

    async def sample(self, serving: Serving, *, draw: float, cutoff: int) -> Sample:
        """Return a trained user for a number in [0, 1), what the model is asked with, its answer.

        Raises:
            NotFound: the model was trained on nobody.
        """
        try:
            user_id = serving.scorer.sample_user(draw)
        except LookupError as error:
            raise NotFound("The model knows no user.") from error
        [known] = await self._histories.of_many(serving.model.tenant_id, [user_id])
        profile = self._scoring.profile(serving, user_id, known)
        answer = self._scoring.rank(serving, profile, k=cutoff)
        return Sample(user_id, tuple(past.item for past in profile.pasts), answer.ranking)

    def by_items(self, serving: Serving, items: Sequence[str], *, cutoff: int) -> Ranking:
        """Return what suits somebody who likes these items, each as much as the others."""
        return serving.scorer.recommend(
            [Past(item) for item in items[:HISTORY_LIMIT]],
            k=cutoff,
            exclude=items[HISTORY_LIMIT:],
            allowed=self._scoring.allowed(serving),
        )

    def _is_there(self, caller: Caller, model_id: int) -> bool:
        """Tell whether there is such a model, of the caller's tenant."""
        model = self._shelf.find(model_id)
        return model is not None and model.tenant_id == caller.tenant_id

    def _is_open(self, caller: Caller, model_id: int) -> bool:
        """Tell whether the model is of a project that the caller may see."""
        model = self._shelf.find(model_id)
        project = model.project_id if model else None
        if project is None:
            project = self._catalogue.default_project(caller.tenant_id)
        return project is None or self._catalogue.may_see(caller, project)
