"""Replica of the jobs that generate recommendations."""

from sqlalchemy import select

from chassis.database import Transaction
from training.domain.generations import Generation
from training.store.tables import GenerationRow


async def keep(tx: Transaction, generation: Generation) -> None:
    """Keep or replace what is known of a job."""
    await tx.session.merge(
        GenerationRow(
            tenant_id=tx.tenant_id,
            job_uid=generation.uid,
            state=generation.state,
            progress=generation.progress,
            users_served=generation.users_served,
            error=generation.error,
            told_at=generation.told_at,
        )
    )
    await tx.session.flush()


async def get(tx: Transaction, uid: str) -> Generation | None:
    """Return a job."""
    row = (
        await tx.session.scalars(select(GenerationRow).where(GenerationRow.job_uid == uid))
    ).one_or_none()
    if row is None:
        return None
    return Generation(row.job_uid, row.state, row.progress, row.users_served, row.error)
