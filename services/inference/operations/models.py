"""What is made of news about models, in each process and once for all."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from chassis.database import Database, Transaction
from chassis.patience import patiently
from contracts.model_states import ModelForgotten, ModelLoaded, ModelRefused
from contracts.models import ModelReady, ModelRetired
from contracts.topics import MODEL_READY
from inference.domain.models import Model
from inference.operations.preloading import Preloading
from inference.operations.serving import Shelf
from inference.store import versions


def from_event(event: ModelReady) -> Model:
    """Return the model that was announced."""
    return Model(
        model_id=event.model_id,
        tenant_id=event.tenant_id,
        project_id=event.project_id,
        algorithm=event.algorithm,
        version=event.version,
        learner=event.learner,
        artefact_key=event.artefact_key,
        artefact_digest=event.artefact_digest,
        artefact_bytes=event.artefact_bytes,
        deploys_itself=event.deploys_itself,
    )


async def keep(event: ModelReady | ModelRetired, tx: Transaction) -> None:
    """Keep the table of models."""
    if isinstance(event, ModelRetired):
        if await versions.remove(tx.session, event.model_id):
            # What was said of it would stay on the topic for ever.
            at = tx.clock()
            tx.emit(ModelForgotten(tenant_id=tx.tenant_id, occurred_at=at, model_id=event.model_id))
    else:
        await versions.keep(tx.session, from_event(event), announced_at=event.occurred_at)


class News:
    """Brings announced models into this process's memory and drops deleted ones."""

    def __init__(self, shelf: Shelf, preloading: Preloading) -> None:
        """Fill the shelf by way of the preloading."""
        self._shelf = shelf
        self._preloading = preloading

    async def hear(self, events: Sequence[ModelReady | ModelRetired]) -> None:
        """Note what is new; loading happens elsewhere, so that news keeps flowing."""
        for event in events:
            if isinstance(event, ModelRetired):
                self._preloading.forget(event.model_id)
                self._shelf.retire(event.model_id)
                continue
            model = from_event(event)
            if self._shelf.announce(model):
                self._preloading.want(model, announced_at=event.occurred_at.timestamp())


class States:
    """Tells what became of models, once for all processes: loaded, or refused and why."""

    def __init__(self, database: Database) -> None:
        """Note states in this database, and announce them with the same commit."""
        self._database = database
        self._loaded: dict[int, Model] = {}
        self._news = asyncio.Event()

    def loaded(self, model: Model) -> None:
        """Have it told that a model can answer; no request waits until that is written."""
        self._loaded[model.model_id] = model
        self._news.set()

    def forget_tenant(self, tenant_id: str) -> None:
        """Tell nothing more of a tenant's models."""
        for model in list(self._loaded.values()):
            if model.tenant_id == tenant_id:
                del self._loaded[model.model_id]

    async def refused(self, model: Model, reason: str) -> None:
        """Tell of a refusal; whoever is first also sends the announcement to the dead letters."""
        self._loaded.pop(model.model_id, None)
        async with self._database.transaction(tenant_id=model.tenant_id) as tx:
            await versions.keep(tx.session, model, announced_at=tx.clock())
            if not await versions.refuse(tx.session, model, reason=reason):
                return
            tx.emit(
                ModelRefused(
                    tenant_id=model.tenant_id,
                    occurred_at=tx.clock(),
                    model_id=model.model_id,
                    version=model.version,
                    reason=reason,
                )
            )
            announcement = _refused(model, reason, at=tx.clock())
            tx.send(
                MODEL_READY.dead,
                key=announcement.key,
                value=announcement.to_bytes(),
                event_id=announcement.event_id,
            )

    async def is_told(self, model: Model) -> bool:
        """Tell whether it is known of a model that it can, or cannot, answer."""
        async with self._database.transaction(tenant_id=model.tenant_id, write=False) as tx:
            return await versions.is_told(tx.session, model)

    async def newest_loaded(self, tenant_id: str, algorithm: str) -> int | None:
        """Return the newest model that answers for an algorithm in some process."""
        async with self._database.transaction(tenant_id=tenant_id, write=False) as tx:
            return await versions.newest_loaded(tx.session, algorithm)

    async def run(self) -> None:
        """Write down for ever what was loaded; while the database is away it waits."""
        while True:
            self._news.clear()
            async for attempt in patiently("loaded models wait to be told of", longest=5):
                with attempt:
                    await self.settle()
            await self._news.wait()

    async def settle(self) -> None:
        """Write down what was loaded; what fails is tried again, after all others had their turn.

        Raises:
            ExceptionGroup: some could not be written.
        """
        failures: list[Exception] = []
        for model in [*self._loaded.values()]:
            try:
                await self._tell_loaded(model)
            except Exception as error:
                failures.append(error)
            else:
                self._loaded.pop(model.model_id, None)
        if failures:
            raise ExceptionGroup("some models could not be told of", failures)

    async def _tell_loaded(self, model: Model) -> None:
        async with self._database.transaction(tenant_id=model.tenant_id) as tx:
            await versions.keep(tx.session, model, announced_at=tx.clock())
            if await versions.load(tx.session, model):
                tx.emit(
                    ModelLoaded(
                        tenant_id=model.tenant_id,
                        occurred_at=tx.clock(),
                        model_id=model.model_id,
                        version=model.version,
                    )
                )


def _refused(model: Model, reason: str, *, at: datetime) -> ModelReady:
    return ModelReady(
        event_id=f"refused:{model.model_id}",
        tenant_id=model.tenant_id,
        occurred_at=at,
        model_id=model.model_id,
        model_uid="",
        project_id=model.project_id,
        algorithm=model.algorithm,
        version=model.version,
        learner=model.learner,
        artefact_key=model.artefact_key,
        artefact_digest=model.artefact_digest,
        artefact_bytes=model.artefact_bytes,
        interactions_seen=0,
        metrics={"refused": reason},
    )
