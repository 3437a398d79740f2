"""Trained models, and the artefacts that nobody needs any more."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from chassis.database import Transaction
from training.domain.models import TrainedModel
from training.store.rows import Rows
from training.store.tables import DiscardedRow, TrainedModelRow, TuningJobRow

models = Rows(TrainedModelRow, TrainedModel, newest="ins_datetime")


async def find(
    tx: Transaction, *, where: dict[str, Any], offset: int, limit: int
) -> tuple[list[TrainedModel], int]:
    """Return a page of projects' own models."""
    own = [TrainedModelRow.configuration.is_not(None)]
    return await models.find(tx, where=where, offset=offset, limit=limit, also=own)


async def refusals(tx: Transaction, ids: Collection[int]) -> Mapping[int, str]:
    """Return why inference refuses those of the models that it does refuse."""
    row = TrainedModelRow
    query = select(row.id, row.refusal).where(row.id.in_(ids), row.refusal.is_not(None))
    rows = (await tx.session.execute(query)).all()
    return {model_id: reason or "" for model_id, reason in rows}


async def remove(tx: Transaction, model: TrainedModel, *, now: datetime) -> None:
    """Delete a model; its artefact is thrown away a little later."""
    await tx.session.execute(
        update(TuningJobRow).where(TuningJobRow.tuned_model == model.id).values(tuned_model=None)
    )
    await models.remove(tx, model.id)
    if model.artefact_key is not None:
        await discard(tx, model.artefact_key, now=now)


async def discard(tx: Transaction, prefix: str, *, now: datetime) -> None:
    """Note that a prefix of the blob store is no longer needed."""
    tx.session.add(DiscardedRow(prefix=prefix, discarded_at=now))
    await tx.session.flush()


async def discarded(tx: Transaction, *, before: datetime, limit: int = 50) -> Sequence[str]:
    """Return prefixes that were discarded long enough ago."""
    query = select(DiscardedRow.prefix).where(DiscardedRow.discarded_at < before).limit(limit)
    return list(await tx.session.scalars(query))


async def forget(tx: Transaction, prefix: str) -> None:
    """Forget a prefix whose blobs are gone."""
    await tx.session.execute(delete(DiscardedRow).where(DiscardedRow.prefix == prefix))
