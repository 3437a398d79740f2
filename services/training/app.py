"""Composition root: settings → adapters → operations → routers and subscribers."""

import asyncio
from datetime import timedelta

from chassis.app import Service, serve
from chassis.blobs import open_blobs
from chassis.compute import open_compute
from chassis.database import Database
from training.api import ROUTERS
from training.events import subscriptions
from training.operations import algorithms, cleaning, jobs, pruning, retraining, schedules
from training.operations.runner import Runner
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

    async def fire() -> None:
        while True:
            await schedules.fire_due(database)
            await asyncio.sleep(_TICK)

    async def settle() -> None:
        while True:
            await retraining.settle(database)
            await asyncio.sleep(_SETTLING)

    async def clean() -> None:
        while True:
            await schedules.realign(database)
            await cleaning.throw_away(database, blobs, after=_GRACE)
            await asyncio.sleep(_CLEANING)

    async def prune() -> None:
        while True:
            await pruning.prune(database, lines=settings.log_memory, history=settings.history)
            await asyncio.sleep(_PRUNING)

    async def measure() -> None:
        while True:
            await jobs.measure(database)
            await asyncio.sleep(_MEASURING)

    return Service(
        name="training",
        settings=settings,
        database=database,
        routers=ROUTERS,
        subscriptions=subscriptions(runner),
        state={"runner": runner, "blobs": blobs, "feeds": Feeds(database)},
        tasks=[runner.run, consider, fire, settle, clean, prune, measure],
    )


if __name__ == "__main__":
    serve(build(TrainingSettings()))
