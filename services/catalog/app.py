"""Composition root of catalog: `python -m catalog.app`."""

from collections.abc import Sequence

from aiokafka.errors import KafkaError

from catalog.api import ROUTERS
from catalog.events import subscriptions
from catalog.operations.interactions import Recorder
from catalog.operations.tenants import TopicMaker
from catalog.settings import CatalogSettings
from catalog.store.announcements import Announcements
from catalog.store.tables import Base
from chassis import topics
from chassis.app import Service, serve
from chassis.database import Database
from chassis.problems import Unavailable
from chassis.settings import Settings


def build(settings: Settings) -> Service:
    """Wire catalog."""
    own = CatalogSettings(**settings.model_dump())
    database = Database(own.database("catalog"), Base.metadata)
    return Service(
        name="catalog",
        settings=own,
        database=database,
        routers=ROUTERS,
        subscriptions=subscriptions(make_topics=_topic_maker(own)),
        state={"recorder": Recorder(database)},
        sources=(Announcements(),),
    )


def _topic_maker(settings: CatalogSettings) -> TopicMaker:
    async def make(tenants: Sequence[str]) -> None:
        wanted = [
            topic
            for tenant in tenants
            for topic in topics.tenant_topics(tenant, settings.topic_replication)
        ]
        try:
            await topics.ensure(settings.kafka_url, wanted)
        except KafkaError as error:
            raise Unavailable("Kafka made no topics yet.") from error

    return make


if __name__ == "__main__":
    serve(build(CatalogSettings()))
