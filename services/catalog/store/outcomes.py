"""What training says it made: read-only copies, fed by events, for a project's summary."""

from sqlalchemy import delete, func, select

from catalog.store.tables import ModelRow, TuningRow
from chassis.database import Transaction


async def note_model(tx: Transaction, model_id: int, *, project_id: int | None) -> None:
    """Note a model; one that was retired before stays retired."""
    if await _model(tx, model_id) is None:
        tx.session.add(ModelRow(model_id=model_id, project_id=project_id, retired=False))


async def note_retirement(tx: Transaction, model_id: int) -> None:
    """Note that a model is gone, also where nothing was heard of it yet."""
    row = await _model(tx, model_id)
    if row is None:
        tx.session.add(ModelRow(model_id=model_id, project_id=None, retired=True))
    else:
        row.retired = True


async def note_tuning(tx: Transaction, tuning_job_id: int, *, project_id: int) -> None:
    """Note a tuning job that found a configuration."""
    query = select(TuningRow).where(TuningRow.tuning_job_id == tuning_job_id)
    if await tx.session.scalar(query) is None:
        tx.session.add(TuningRow(tuning_job_id=tuning_job_id, project_id=project_id))


async def forget_tuning(tx: Transaction, tuning_job_id: int) -> None:
    """Forget a tuning job."""
    await tx.session.execute(delete(TuningRow).where(TuningRow.tuning_job_id == tuning_job_id))


async def count(tx: Transaction, project_id: int) -> tuple[int, int]:
    """Return how many models and how many successful tuning jobs a project has."""
    models = await tx.session.scalar(
        select(func.count(ModelRow.model_id)).where(
            ModelRow.project_id == project_id, ModelRow.retired.is_(False)
        )
    )
    jobs = await tx.session.scalar(
        select(func.count(TuningRow.tuning_job_id)).where(TuningRow.project_id == project_id)
    )
    return models or 0, jobs or 0


async def _model(tx: Transaction, model_id: int) -> ModelRow | None:
    row: ModelRow | None = await tx.session.scalar(
        select(ModelRow).where(ModelRow.model_id == model_id)
    )
    return row
