"""Composition root: settings → adapters → operations → routers and subscribers."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from chassis.app import Service, serve
from chassis.blobs import open_blobs
from chassis.compute import open_compute
from chassis.database import Database
from training.api import ROUTERS
from training.events import subscriptions
from training.operations import algorithms, cleaning, jobs, pruning, retraining, schedules
from training.operations.runner import Runner
from training.operations.tenants import BlobErasure
from training.operations.watching import Feeds
from training.settings import TrainingSettings
from training.store.replicas import owned_by_others
from training.store.tables import Base

#: Seconds between two looks for trainings that are due, for what was left behind, for artefacts to
#: throw away, for rows that nobody asks for any more, at the queue.
_TICK = 1.0
_SETTLING = 15.0
_CLEANING = 60.0
_PRUNING = 3600.0
_MEASURING = 5.0
#: Of a worker: pools on few cores cost more than they give, and one thread adds numbers in one
#: order, so that the same data makes the same model.
_THREADS = 1
#: A replica may still be fetching a model that was just deleted.
_GRACE = timedelta(minutes=10)


def build(settings: TrainingSettings) -> Service:
    """Return the service, composed."""
    database = Database.of(settings, "training", Base.metadata)
    database.hidden_projects = owned_by_others
    blobs = open_blobs(settings.blobs())
    runner = Runner(
        database,
        compute=open_compute(
            settings.compute, threads=_THREADS, silence=settings.training_silence_seconds
        ),
        blobs=blobs,
        workers=settings.workers,
        lease=settings.lease,
        heartbeat=settings.heartbeat,
        limit=settings.limit,
    )

    async def consider() -> None:
        considering = algorithms.Considering(database, settings.rhythm)
        while True:
            await considering.look()
            await asyncio.sleep(_TICK)

    async def clean() -> None:
        await schedules.realign(database)
        await cleaning.throw_away(database, blobs, after=_GRACE)

    async def prune() -> None:
        await pruning.prune(database, lines=settings.log_memory, history=settings.history)

    return Service(
        name="training",
        settings=settings,
        database=database,
        routers=ROUTERS,
        subscriptions=subscriptions(runner),
        state={"runner": runner, "blobs": blobs, "feeds": Feeds(database)},
        tasks=[
            runner.run,
            consider,
            _every(_TICK, lambda: schedules.fire_due(database)),
            _every(_SETTLING, lambda: retraining.settle(database)),
            _every(_CLEANING, clean),
            _every(_PRUNING, prune),
            _every(_MEASURING, lambda: jobs.measure(database)),
        ],
        erases=[BlobErasure(database, blobs).erase],
        forgets=[runner.forget_tenant],
    )


def _every(seconds: float, work: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
    """Return the loop that does some work again and again, with so many seconds in between."""

    async def run() -> None:
        while True:
            await work()
            await asyncio.sleep(seconds)

    return run


if __name__ == "__main__":
    serve(build(TrainingSettings()))
