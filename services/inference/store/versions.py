"""The table of announced models and of refused artefacts."""

from datetime import datetime
from typing import cast

from sqlalchemy import Table, delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.upserts import insert_new
from inference.domain.models import Model
from inference.store.tables import ModelVersion


async def keep(session: AsyncSession, model: Model, *, announced_at: datetime) -> None:
    """Keep a model that was announced, unless it is kept already."""
    row = {
        "model_id": model.model_id,
        "tenant_id": model.tenant_id,
        "project_id": model.project_id,
        "algorithm": model.algorithm,
        "version": model.version,
        "learner": model.learner,
        "artefact_digest": model.artefact_digest,
        "announced_at": announced_at,
    }
    # Who hears of it and who refuses it may write at the same moment.
    await insert_new(session, cast(Table, ModelVersion.__table__), [row])


async def refuse(session: AsyncSession, model: Model, *, reason: str) -> bool:
    """Note why a model is not served; tell whether nobody had noted it before."""
    statement = (
        update(ModelVersion)
        .where(ModelVersion.model_id == model.model_id, ModelVersion.refusal.is_(None))
        .values(refusal=reason)
    )
    result = await session.execute(statement, execution_options={"synchronize_session": False})
    return bool(getattr(result, "rowcount", 0))


async def remove(session: AsyncSession, model_id: int) -> None:
    """Forget a model that was deleted."""
    await session.execute(
        delete(ModelVersion).where(ModelVersion.model_id == model_id),
        execution_options={"synchronize_session": False},
    )
