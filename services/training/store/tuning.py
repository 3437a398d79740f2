"""Searches for parameters."""

from typing import Any

from sqlalchemy import update

from chassis.database import Transaction
from training.domain.tuning import TuningJob
from training.store.rows import Rows
from training.store.tables import ModelConfigurationRow, TuningJobRow

searches = Rows(TuningJobRow, TuningJob, newest="ins_datetime")


async def note(tx: Transaction, search_id: int, **columns: Any) -> None:
    """Note a search's state or what it found; one that was deleted meanwhile stays deleted."""
    await tx.session.execute(
        update(TuningJobRow).where(TuningJobRow.id == search_id).values(**columns)
    )


async def forget_configuration(tx: Transaction, configuration_id: int) -> None:
    """Take a deleted configuration out of the search that found it."""
    row = TuningJobRow
    chosen = update(row).where(row.best_config == configuration_id)
    await tx.session.execute(chosen.values(best_config=None))


async def forget_search(tx: Transaction, search_id: int) -> None:
    """Take a deleted search out of the configuration that it found."""
    row = ModelConfigurationRow
    await tx.session.execute(update(row).where(row.tuning_job == search_id).values(tuning_job=None))
