"""Keep copies of other services' facts, and let go of what hangs on those that are gone."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from chassis import erasures
from chassis.database import Transaction
from training.domain.replicas import DataFile, Kept, Project, microseconds
from training.operations import configurations, registry, schedules, tuning
from training.store import interactions
from training.store import replicas as store
from training.store import schedules as schedule_store

TRAINING_DATA = "training_data"


async def project_changed(tx: Transaction, project: Project) -> None:
    """Keep a project."""
    await store.keep_project(tx, project)


async def project_deleted(tx: Transaction, project_id: int) -> None:
    """Let go of a project and of everything that was made in it."""
    reason = f"Project {project_id} was deleted."
    await schedules.drop_where(tx, reason=reason, project=project_id)
    await tuning.drop_where(tx, reason=reason, project=project_id)
    await configurations.drop_where(tx, reason=reason, project=project_id)
    await registry.retire_where(tx, reason=reason, project=project_id)
    await store.drop_project(tx, project_id)


async def file_changed(tx: Transaction, kind: str, file: DataFile) -> None:
    """Keep a data file; one without a table was unlinked.

    What is still being learnt from it fails then; models made from it stay.
    """
    await store.keep_file(tx, kind, file)
    if kind == TRAINING_DATA and file.table_key is None:
        await tuning.data_unlinked(tx, file.file_id)
        await registry.data_unlinked(tx, file.file_id)


async def file_deleted(tx: Transaction, kind: str, file_id: int) -> None:
    """Let go of a data file, of searches on it and of models made from it."""
    if kind == TRAINING_DATA:
        reason = f"Data {file_id} was deleted."
        await tuning.drop_where(tx, reason=reason, data=file_id)
        await registry.retire_where(tx, reason=reason, data_loc=file_id)
        await schedule_store.forget(tx, "training_data", file_id)
    await store.drop_file(tx, kind, file_id)


async def item_changed(
    tx: Transaction, item_id: str, *, revision: int, metadata: Mapping[str, Any], is_active: bool
) -> None:
    """Keep an item; each new description counts towards the next training on descriptions."""
    kept = await store.keep_item(
        tx, item_id, revision=revision, metadata=metadata, is_active=is_active
    )
    if kept and metadata:
        await interactions.count(tx, now=tx.clock(), items=1)


async def item_deleted(tx: Transaction, item_id: str, *, revision: int) -> None:
    """Let go of an item; its revision stays, so that an older change cannot bring it back."""
    await store.keep_item(
        tx, item_id, revision=revision, metadata={}, is_active=False, is_deleted=True
    )


async def interactions_recorded(tx: Transaction, rows: Sequence[Kept]) -> None:
    """Keep interactions, in any order and however often they come, but none that was erased."""
    erased = await erasures.among(tx, {row.user_id for row in rows})
    rows = [row for row in rows if not erased.covers(row.user_id, row.moment)]
    new = await interactions.insert_all(tx, rows, tenant_id=tx.tenant_id)
    if new:
        await interactions.count(tx, now=tx.clock(), interactions=new)


async def person_erased(tx: Transaction, person_uid: str, *, at: datetime) -> None:
    """Delete what a person did until then, so that no later training knows of it."""
    if not await erasures.note(tx, person_uid, at=at):
        return
    forgotten = await interactions.forget_user(tx, person_uid, until=microseconds(at))
    if forgotten:
        await interactions.count(tx, now=tx.clock(), interactions=-forgotten)
