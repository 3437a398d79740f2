"""Composition root of billing."""

from billing.api import ROUTERS
from billing.events import subscriptions
from billing.operations.allowances import announcer
from billing.store.tables import Base
from chassis.app import Service, serve
from chassis.database import Database
from chassis.settings import Settings

NAME = "billing"


def build(settings: Settings) -> Service:
    """Wire the service."""
    database = Database(settings.database(NAME), Base.metadata)
    return Service(
        name=NAME,
        settings=settings,
        database=database,
        routers=ROUTERS,
        subscriptions=subscriptions(),
        tasks=(announcer(database),),
    )


if __name__ == "__main__":
    serve(build(Settings()))
