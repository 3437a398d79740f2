"""What training listens to: each handler is one call of an operation."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from chassis.database import Transaction
from chassis.subscriptions import Subscription, each, together
from contracts.catalog import (
    DataFileChanged,
    DataFileDeleted,
    ItemChanged,
    ItemDeleted,
    ProjectChanged,
    ProjectDeleted,
)
from contracts.generations import GenerationChanged
from contracts.interactions import InteractionRecorded
from contracts.model_states import ModelLoaded, ModelRefused
from contracts.tenants import PersonErased
from contracts.topics import (
    CATALOG_CHANGES,
    GENERATIONS,
    INTERACTIONS,
    MODEL_STATES,
    TENANTS,
    TRAINING_REQUESTS,
)
from contracts.training import TrainingRequested
from training.domain.generations import Generation
from training.domain.replicas import DataFile, Kept, Project, microseconds
from training.operations import all_jobs, jobs, registry, replicas
from training.operations.runner import Runner


def subscriptions(runner: Runner) -> list[Subscription]:
    """Return everything that this service consumes."""
    return [
        together(CATALOG_CHANGES, catalog_changed, name="replicas"),
        together(INTERACTIONS, interactions_recorded, name="interactions", max_records=2000),
        each(TENANTS, person_erased, name="tenants", only=(PersonErased,)),
        each(TRAINING_REQUESTS, training_requested(runner), name="jobs"),
        each(MODEL_STATES, model_state_told, name="model-states"),
        each(GENERATIONS, generation_changed, name="generations"),
    ]


async def catalog_changed(events: Sequence[Any], tx: Transaction) -> None:
    """Keep what others own, in the order in which it changed."""
    for event in events:
        await _FACTS[type(event)](event, tx)


async def interactions_recorded(events: Sequence[InteractionRecorded], tx: Transaction) -> None:
    """Keep what people did, a batch at a time."""
    await replicas.interactions_recorded(tx, [_kept(event) for event in events])


async def person_erased(event: PersonErased, tx: Transaction) -> None:
    """Forget what a person did."""
    await replicas.person_erased(tx, event.person_uid, at=event.occurred_at)


async def model_state_told(event: ModelLoaded | ModelRefused, tx: Transaction) -> None:
    """Note whether inference serves a model."""
    if isinstance(event, ModelRefused):
        await registry.note_refusal(tx, event.model_id, event.reason)
    else:
        await registry.note_service(tx, event.model_id, at=event.occurred_at)


async def generation_changed(event: GenerationChanged, tx: Transaction) -> None:
    """Keep how a job of inference stands."""
    generation = Generation(
        uid=event.job_uid,
        state=event.state,
        progress=event.progress,
        users_served=event.users_served,
        error=event.error,
        told_at=event.occurred_at,
    )
    await all_jobs.keep(tx, generation)


def training_requested(
    runner: Runner,
) -> Callable[[TrainingRequested, Transaction], Awaitable[None]]:
    """Return a handler that only wakes the runner, so that no partition waits for a job."""

    async def handle(event: TrainingRequested, tx: Transaction) -> None:
        await jobs.accept(tx, event.job_uid)
        tx.after_commit(runner.wake)

    return handle


async def _project_changed(event: ProjectChanged, tx: Transaction) -> None:
    project = Project(
        project_id=event.project_id,
        name=event.name,
        user_column=event.user_column,
        item_column=event.item_column,
        time_column=event.time_column,
        owner_id=event.owner,
        revision=event.revision,
    )
    await replicas.project_changed(tx, project)


async def _project_deleted(event: ProjectDeleted, tx: Transaction) -> None:
    await replicas.project_deleted(tx, event.project_id)


async def _file_changed(event: DataFileChanged, tx: Transaction) -> None:
    file = DataFile(
        file_id=event.file_id,
        project_id=event.project_id,
        table_key=event.table_key,
        table_digest=event.table_digest,
        rows=event.rows,
    )
    await replicas.file_changed(tx, event.kind, file)


async def _file_deleted(event: DataFileDeleted, tx: Transaction) -> None:
    await replicas.file_deleted(tx, event.kind, event.file_id)


async def _item_changed(event: ItemChanged, tx: Transaction) -> None:
    await replicas.item_changed(
        tx,
        event.item_id,
        revision=event.revision,
        metadata=event.metadata,
        is_active=event.is_active,
    )


async def _item_deleted(event: ItemDeleted, tx: Transaction) -> None:
    await replicas.item_deleted(tx, event.item_id, revision=event.revision)


_FACTS: dict[type[Any], Callable[[Any, Transaction], Awaitable[None]]] = {
    ProjectChanged: _project_changed,
    ProjectDeleted: _project_deleted,
    DataFileChanged: _file_changed,
    DataFileDeleted: _file_deleted,
    ItemChanged: _item_changed,
    ItemDeleted: _item_deleted,
}


def _kept(event: InteractionRecorded) -> Kept:
    return Kept(
        sequence=event.sequence,
        user_id=event.user_id,
        item_id=event.item_id,
        weight=event.weight,
        at=microseconds(event.occurred_at),
    )
