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


async def forget_below(tx: Transaction, folder: str) -> None:
    """Forget what was discarded below a folder of the blob store: all of it is gone."""
    below = DiscardedRow.prefix.startswith(folder, autoescape=True)
    await tx.session.execute(delete(DiscardedRow).where(below))


async def artefacts(tx: Transaction, *, after: int, limit: int = 500) -> Sequence[tuple[int, str]]:
    """Return ids and artefact prefixes of the next models by id, of all tenants."""
    row = TrainedModelRow
    query = select(row.id, row.artefact_key).where(row.artefact_key.is_not(None), row.id > after)
    rows = await tx.session.execute(query.order_by(row.id).limit(limit))
    return [(model_id, prefix) for model_id, prefix in rows if prefix is not None]


async def is_artefact(tx: Transaction, prefix: str) -> bool:
    """Tell whether a model has its artefact there, or had it and it is still to be thrown away."""
    model = select(TrainedModelRow.id).where(TrainedModelRow.artefact_key == prefix)
    waste = select(DiscardedRow.prefix).where(DiscardedRow.prefix == prefix)
    for query in (model, waste):
        if (await tx.session.execute(query.limit(1))).first() is not None:
            return True
    return False


async def forget(tx: Transaction, prefix: str) -> None:
    """Forget a prefix whose blobs are gone."""
    await tx.session.execute(delete(DiscardedRow).where(DiscardedRow.prefix == prefix))
