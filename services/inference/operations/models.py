"""What is made of news about models, in each process and once for all."""

from collections.abc import Sequence

from chassis.database import Database, Transaction
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
        await versions.remove(tx.session, event.model_id)
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


class Refusals:
    """Tells operators of refused artefacts, once for all processes."""

    def __init__(self, database: Database) -> None:
        """Note refusals in this database."""
        self._database = database

    async def note(self, model: Model, reason: str) -> None:
        """Note a refusal; whoever is first also sends the announcement to the dead letters."""
        async with self._database.transaction(tenant_id=model.tenant_id) as tx:
            await versions.keep(tx.session, model, announced_at=tx.clock())
            if not await versions.refuse(tx.session, model, reason=reason):
                return
            announcement = ModelReady(
                event_id=f"refused:{model.model_id}",
                tenant_id=model.tenant_id,
                occurred_at=tx.clock(),
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
            tx.send(
                MODEL_READY.dead,
                key=announcement.key,
                value=announcement.to_bytes(),
                event_id=announcement.event_id,
            )
