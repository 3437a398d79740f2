"""Count what training made of a project's data."""

from catalog.store import outcomes as store
from chassis.database import Transaction
from contracts.models import ModelEvent, ModelReady, ModelRetired, TuningConcluded


async def note(tx: Transaction, happened: ModelEvent) -> None:
    """Note a model or a tuning job that came or went."""
    match happened:
        case ModelReady():
            await store.note_model(tx, happened.model_id, project_id=happened.project_id)
        case ModelRetired():
            await store.note_retirement(tx, happened.model_id)
        case TuningConcluded():
            await store.note_tuning(tx, happened.tuning_job_id, project_id=happened.project_id)
        case _:
            await store.forget_tuning(tx, happened.tuning_job_id)
