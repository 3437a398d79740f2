"""Delete the rows that nobody asks for any more, a few at a time."""

from datetime import timedelta

from chassis import telemetry
from chassis.database import Database
from training.store import pruning as store


async def prune(database: Database, *, lines: timedelta, history: timedelta) -> int:
    """Delete what jobs said before `lines`, and what was over before `history`; return how much.

    Lines go first: a job goes after the last of its own.
    """
    now = database.clock()
    deleted = {
        "log lines": await database.exhaust(store.lines(now - lines)),
        "jobs": await database.exhaust(store.jobs(now - history)),
        "runs": await database.exhaust(store.runs(now - history)),
        "generations": await database.exhaust(store.generations(now - history)),
    }
    told = ", ".join(f"{count} {what}" for what, count in deleted.items() if count)
    if told:
        telemetry.log.info("pruned %s", told)
    return sum(deleted.values())
