"""Composition root of experiments."""

import asyncio

from chassis.app import Service, serve
from chassis.database import Database
from chassis.settings import Settings
from experiments.api import ROUTERS
from experiments.events import subscriptions
from experiments.operations import analytics
from experiments.operations.doors import SingleDoor
from experiments.store.replicas import owned_by_others
from experiments.store.tables import Base

NAME = "experiments"
#: Seconds between two looks for days that nobody can ask for any more.
_SUMMING = 3600.0


def build(settings: Settings, *, patience: float = 2.0) -> Service:
    """Wire the service; `patience` is how long a reference may stay unknown, in seconds."""
    database = Database.of(settings, NAME, Base.metadata)
    database.hidden_projects = owned_by_others

    async def sum_up() -> None:
        while True:
            await analytics.sum_up(database)
            await asyncio.sleep(_SUMMING)

    return Service(
        name=NAME,
        settings=settings,
        database=database,
        routers=ROUTERS,
        subscriptions=subscriptions(),
        state={"conversions": SingleDoor(database), "patience": patience},
        tasks=(sum_up,),
    )


if __name__ == "__main__":
    serve(build(Settings()))
