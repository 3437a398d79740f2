"""Every job of every surface: this service's own, and those that inference tells of."""

from chassis.database import Transaction
from chassis.ids import is_uid
from chassis.problems import Conflict, NotFound
from training.domain.generations import Generation
from training.domain.jobs import Job
from training.operations import jobs
from training.store import generations


class JobUnknown(NotFound):
    """No job of this id is known; the announcement of one may still be on its way."""

    code = "JOB_NOT_FOUND"


async def get(tx: Transaction, uid: str) -> Job | Generation:
    """Return a job that the caller may see.

    Raises:
        JobUnknown: it may be announced in a moment.
        NotFound: there is none, for this caller.
    """
    generation = await generations.get(tx, uid) if is_uid(uid) else None
    if generation is not None:
        return generation
    try:
        return await jobs.get(tx, uid)
    except NotFound as error:
        if is_uid(uid) and await jobs.is_free(tx, uid):
            raise JobUnknown(error.detail) from error
        raise


async def cancel(tx: Transaction, uid: str) -> Job:
    """Cancel a job.

    Raises:
        Conflict: it is over, or generates recommendations: what it wrote so far stands already.
        JobUnknown, NotFound: as `get` says.
    """
    job = await get(tx, uid)
    if isinstance(job, Generation):
        raise Conflict("A job that generates recommendations cannot be cancelled.")
    return await jobs.cancel(tx, uid)


async def keep(tx: Transaction, generation: Generation) -> None:
    """Keep what inference tells of a job."""
    await generations.keep(tx, generation)
