"""Models in memory: loaded when announced or asked for, swapped by one assignment, bounded."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from chassis import deadline, telemetry
from chassis.problems import Conflict, NotFound, Unavailable
from inference.domain.models import Model, ModelMissing, ModelRefused, Place
from inference.operations.metrics import (
    MODEL_BYTES,
    MODELS_LOADED,
    MODELS_REFUSED,
    MODELS_SERVING,
    NEWEST_MODEL,
    SWAPS,
)
from inference.scorers import Scorer

Load = Callable[[Model], Awaitable[Scorer]]
OnRefusal = Callable[[Model, str], Awaitable[None]]
OnLoad = Callable[[Model], None]

#: Seconds that a request without a deadline waits for a model that has to be loaded first, and that
#: one waits that can do without the model.
_PATIENCE = 8.0
#: Seconds before its deadline at which a request stops waiting, so that it can still say why.
_MARGIN = 0.25


class NotLoadedYet(Unavailable):
    """A model that was asked for is not in memory, and did not come in time."""

    code = "MODEL_LOADING"


@dataclass(frozen=True, slots=True)
class Serving:
    """A model in memory. It never changes: a request takes one and keeps it to its end."""

    model: Model
    scorer: Scorer
    nbytes: int


class Shelf:
    """The models of all tenants, as many as fit."""

    def __init__(
        self,
        load: Load,
        *,
        capacity: int,
        on_refusal: OnRefusal,
        on_load: OnLoad = lambda _model: None,
        first: Collection[int] = (),
    ) -> None:
        """Hold at most `capacity` bytes, the models in `first` longest of all.

        `on_refusal` tells the world of a bad artefact, `on_load` of a good one.
        """
        self._load = load
        self._first = frozenset(first)
        self._capacity = capacity
        self._on_refusal = on_refusal
        self._on_load = on_load
        self._known: dict[int, Model] = {}
        self._retired: set[int] = set()
        self._refused: dict[int, str] = {}
        self._loaded: OrderedDict[int, Serving] = OrderedDict()
        self._loading: dict[int, asyncio.Task[Serving]] = {}
        self._places: dict[Place, set[int]] = {}
        self._serving: dict[Place, int] = {}
        self._newest: dict[str, int] = {}

    @property
    def loaded_ids(self) -> list[int]:
        """Return the ids of the models in memory."""
        return sorted(self._loaded)

    @property
    def held_bytes(self) -> int:
        """Return the memory that models hold or are about to hold."""
        held = sum(serving.nbytes for serving in self._loaded.values())
        return held + sum(self._known[i].artefact_bytes for i in self._loading if i in self._known)

    def announce(self, model: Model) -> bool:
        """Note a model; tell whether it is news."""
        if model.model_id in self._known or model.model_id in self._retired:
            return False
        self._known[model.model_id] = model
        for place in model.places:
            self._places.setdefault(place, set()).add(model.model_id)
        return True

    def retire(self, model_id: int) -> None:
        """Drop a model that was deleted."""
        self._retired.add(model_id)
        model = self._known.pop(model_id, None)
        self._loaded.pop(model_id, None)
        self._measure()
        for place in model.places if model is not None else ():
            self._places[place].discard(model_id)
            if self._serving.get(place) == model_id:
                del self._serving[place]
                if place.is_named:
                    MODELS_SERVING.labels(place.algorithm).dec()

    def forget_tenant(self, tenant_id: str) -> None:
        """Drop all models of a tenant that was deleted, those being loaded included."""
        for model in [each for each in self._known.values() if each.tenant_id == tenant_id]:
            self.retire(model.model_id)
            self._refused.pop(model.model_id, None)
        for place in [each for each in self._places if each.tenant_id == tenant_id]:
            del self._places[place]

    def find(self, model_id: int) -> Model | None:
        """Return what was announced of a model."""
        return self._known.get(model_id)

    async def named(self, model_id: int, *, optional: bool = False) -> Serving:
        """Return a model, loaded first if need be: the request waits for it up to its deadline.

        One that can do without (`optional`) waits a part of that.

        Raises:
            NotFound: there is none of this id.
            Conflict: its artefact was refused.
            Unavailable: it could not be loaded in time.
        """
        serving = self._loaded.get(model_id)
        if serving is not None:
            self._loaded.move_to_end(model_id)
            return serving
        model = self._known.get(model_id)
        if model is None:
            raise NotFound(f"Model {model_id} not found")
        try:
            return await asyncio.wait_for(asyncio.shield(self.load(model)), _patience(optional))
        except ModelRefused as error:
            raise Conflict(f"Model {model_id} cannot be served: {error}") from error
        except TimeoutError as error:
            raise NotLoadedYet(f"Model {model_id} is being loaded; try again.") from error
        except ModelMissing as error:
            raise Unavailable(f"Model {model_id} is not loaded yet; try again.") from error

    async def answering(
        self, tenant_id: str, algorithm: str, *, is_named: bool = False
    ) -> Serving | None:
        """Return the model that answers for a tenant's algorithm, None where there is none.

        Where the request named the algorithm, its newest model answers, however good it is, and the
        request waits for it. Else the newest that beats popularity does, if it comes soon.

        Raises:
            Unavailable: the algorithm was named, but its model could not be loaded in time.
        """
        place = Place(tenant_id, algorithm, is_named)
        current = self._serving.get(place)
        if current is not None:
            serving = self._loaded.get(current)
            if serving is not None:
                self._loaded.move_to_end(current)
                return serving
        late: Unavailable | None = None
        for model_id in self._candidates(place, current):
            try:
                return await self.named(model_id, optional=not is_named)
            except (Conflict, NotFound):
                telemetry.log.warning("model %s cannot answer", model_id, exc_info=True)
            except Unavailable as error:
                telemetry.log.warning("model %s cannot answer yet: %s", model_id, error)
                late = late or error
                if isinstance(error, NotLoadedYet):
                    break  # nor is there time to load another one
        if late is not None and is_named:
            raise late
        return None

    def has(self, tenant_id: str, algorithm: str) -> bool:
        """Tell whether a model was announced that may answer who names a tenant's algorithm."""
        return bool(self._places.get(Place(tenant_id, algorithm, True)))

    def load(self, model: Model) -> asyncio.Task[Serving]:
        """Return the one task that loads a model, started if need be."""
        task = self._loading.get(model.model_id)
        if task is None:
            task = asyncio.create_task(self._bring_in(model))
            self._loading[model.model_id] = task
            task.add_done_callback(lambda done: self._settled(model.model_id, done))
        return task

    def fits(self, model: Model) -> bool:
        """Tell whether a model can be loaded without driving out one that comes before it."""
        rank = self.rank(model.model_id)
        older = sum(s.nbytes for i, s in self._loaded.items() if self.rank(i) < rank)
        return self.held_bytes - older + model.artefact_bytes <= self._capacity

    def rank(self, model_id: int) -> tuple[bool, int]:
        """Return what says how much a model is wanted: those in `first`, then the newest."""
        return model_id in self._first, model_id

    def is_superseded(self, model: Model) -> bool:
        """Tell whether newer models answer in this one's places, and nobody asked for this one."""
        if model.model_id in self._first or not model.places:
            return False
        return all(self._serving.get(place, -1) > model.model_id for place in model.places)

    def _candidates(self, place: Place, current: int | None) -> list[int]:
        """Return the models that may answer, newest first; never one older than the last one."""
        if current is not None:
            return [current]
        return sorted(self._places.get(place, ()) - self._refused.keys(), reverse=True)

    async def _bring_in(self, model: Model) -> Serving:
        if model.model_id in self._refused:
            raise ModelRefused(self._refused[model.model_id])
        started = time.monotonic()
        try:
            self._make_room(0)
            scorer = await self._load(model)
            self._check_size(scorer)
        except ModelRefused as error:
            MODELS_REFUSED.inc()
            telemetry.log.error("model %s is refused: %s", model.model_id, error)
            await self._on_refusal(model, str(error))
            self._refused[model.model_id] = str(error)
            raise
        return self._put(Serving(model, scorer, scorer.nbytes), seconds=time.monotonic() - started)

    def _check_size(self, scorer: Scorer) -> None:
        if scorer.nbytes > self._capacity:
            raise ModelRefused(f"it needs {scorer.nbytes} bytes of memory")

    def _put(self, serving: Serving, *, seconds: float) -> Serving:
        model = serving.model
        if model.model_id in self._retired:
            raise ModelMissing("it was deleted")
        self._loading.pop(model.model_id, None)
        self._make_room(serving.nbytes)
        self._loaded[model.model_id] = serving
        self._swap(model)
        self._measure()
        self._on_load(model)
        telemetry.log.info("model %s is loaded in %.2f s", model.model_id, seconds)
        return serving

    def _swap(self, model: Model) -> None:
        """Have a model answer wherever no newer one does."""
        taken = {place: self._serving.get(place, -1) for place in model.places}
        taken = {place: before for place, before in taken.items() if before <= model.model_id}
        self._serving |= dict.fromkeys(taken, model.model_id)
        for before in set(taken.values()):
            if before in self._loaded and not self._answers(self._loaded[before].model):
                self._loaded.move_to_end(before, last=False)  # the first to go for want of room
        if taken:
            SWAPS.inc()
        for place, before in taken.items():
            if place.is_named:
                self._count(place.algorithm, model.model_id, is_first=before == -1)

    def _answers(self, model: Model) -> bool:
        return any(self._serving.get(place) == model.model_id for place in model.places)

    def _count(self, algorithm: str, model_id: int, *, is_first: bool) -> None:
        if is_first:
            MODELS_SERVING.labels(algorithm).inc()
        if model_id > self._newest.get(algorithm, 0):
            self._newest[algorithm] = model_id
            NEWEST_MODEL.labels(algorithm).set(model_id)

    def _make_room(self, wanted: int) -> None:
        """Let go of the models unused for longest; requests that hold one keep it."""
        while self._loaded and self.held_bytes + wanted > self._capacity:
            others = (model_id for model_id in self._loaded if model_id not in self._first)
            del self._loaded[next(others, next(iter(self._loaded)))]
        self._measure()

    def _settled(self, model_id: int, task: asyncio.Task[Serving]) -> None:
        self._loading.pop(model_id, None)
        if not task.cancelled():
            task.exception()  # whoever waits has it; nobody need wait

    def _measure(self) -> None:
        MODELS_LOADED.set(len(self._loaded))
        MODEL_BYTES.set(self.held_bytes)


def _patience(optional: bool) -> float:
    """Return how many seconds the running request waits for a model."""
    left = deadline.remaining()
    if left is None:
        return _PATIENCE
    return max(0.0, min(_PATIENCE, left / 2) if optional else left - _MARGIN)
