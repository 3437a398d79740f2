"""The table of announced models and of refused artefacts."""

from datetime import datetime
from typing import cast

from sqlalchemy import Table, delete, func, or_, select, update
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
    """Note why a model is not served; tell whether that is news."""
    return await _tell(session, model, "refused", refusal=reason)


async def load(session: AsyncSession, model: Model) -> bool:
    """Note that a model can answer; tell whether that is news."""
    return await _tell(session, model, "loaded", refusal=None)


async def is_told(session: AsyncSession, model: Model) -> bool:
    """Tell whether it is known of a model that it can, or cannot, answer."""
    query = select(ModelVersion.told).where(ModelVersion.model_id == model.model_id)
    return await session.scalar(query) is not None


async def newest_loaded(session: AsyncSession, algorithm: str) -> int | None:
    """Return the newest model that answers who names the tenant's algorithm in some process."""
    found: int | None = await session.scalar(
        select(func.max(ModelVersion.model_id)).where(
            ModelVersion.algorithm == algorithm,
            ModelVersion.told == "loaded",
        )
    )
    return found


async def _tell(session: AsyncSession, model: Model, told: str, *, refusal: str | None) -> bool:
    statement = (
        update(ModelVersion)
        .where(
            ModelVersion.model_id == model.model_id,
            or_(ModelVersion.told.is_(None), ModelVersion.told != told),
        )
        .values(told=told, refusal=refusal)
    )
    result = await session.execute(statement, execution_options={"synchronize_session": False})
    return bool(getattr(result, "rowcount", 0))


async def remove(session: AsyncSession, model_id: int) -> bool:
    """Forget a model that was deleted; tell whether a state of it was announced."""
    gone = delete(ModelVersion).where(ModelVersion.model_id == model_id)
    told = await session.execute(
        gone.returning(ModelVersion.told), execution_options={"synchronize_session": False}
    )
    return told.scalar() is not None
