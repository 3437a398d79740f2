"""Composition root of catalog: `python -m catalog.app`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiokafka.errors import KafkaError

from catalog.api import ROUTERS, UPLOADS
from catalog.events import subscriptions
from catalog.operations import projects
from catalog.operations.data_files import DataFiles
from catalog.operations.erasing import BlobErasure
from catalog.operations.filling import Filler
from catalog.operations.forgetting import forgetter
from catalog.operations.ingest_topics import IngestTopics, TopicMaker
from catalog.operations.interactions import Recorder
from catalog.operations.sweeping import Sweeper
from catalog.profiling.limits import Limits
from catalog.settings import CatalogSettings
from catalog.store import projects as project_store
from catalog.store.announcements import Announcements
from catalog.store.tables import Base
from chassis import topics
from chassis.app import Service, serve
from chassis.blobs import Blobs, open_blobs
from chassis.database import Database
from chassis.problems import Unavailable
from chassis.settings import Settings
from chassis.wire import MAX_JSON_DEPTH

#: Seconds between two looks for projects whose owner others have not heard of.
_TELLING = 60.0


def build(settings: Settings) -> Service:
    """Wire catalog."""
    own = CatalogSettings(**settings.model_dump())
    database = Database.of(own, "catalog", Base.metadata)
    database.hidden_projects = project_store.owned_by_others
    blobs = open_blobs(own.blobs())
    filler = Filler(database, blobs)
    ingest_topics = IngestTopics(database, _topic_maker(own))
    limits = Limits(
        unpacked_bytes=own.max_unpacked_bytes,
        rows=own.max_table_rows,
        columns=own.max_table_columns,
        depth=MAX_JSON_DEPTH,
    )
    return Service(
        name="catalog",
        settings=own,
        database=database,
        routers=ROUTERS,
        uploads=UPLOADS,
        subscriptions=subscriptions(),
        state={
            "recorder": Recorder(database),
            "ingest_topics": ingest_topics,
            "data_files": DataFiles(database, blobs, filler, limits=limits),
        },
        parts=(Closing(blobs),),
        tasks=(
            Sweeper(database, blobs).run,
            filler.run,
            ingest_topics.run,
            forgetter(database, own.interaction_memory),
            teller_of_owners(database),
        ),
        sources=(Announcements(),),
        erases=(BlobErasure(database, blobs).erase, _topic_remover(own)),
        forgets=(ingest_topics.forget_tenant,),
    )


def teller_of_owners(database: Database) -> Callable[[], Awaitable[None]]:
    """Return the loop that tells who owns projects that an older release keeps, while one runs."""

    async def run() -> None:
        while True:
            await projects.tell_owners(database)
            await asyncio.sleep(_TELLING)

    return run


class Closing:
    """Lets go of the blob store when the service ends."""

    def __init__(self, blobs: Blobs) -> None:
        """Hold the store."""
        self._blobs = blobs

    async def start(self) -> None:
        """Nothing to open: the store opens at its first use."""

    async def stop(self) -> None:
        """Close the store."""
        await self._blobs.close()


def _topic_remover(settings: CatalogSettings) -> Callable[[str], Awaitable[Mapping[str, int]]]:
    async def remove(tenant_id: str) -> Mapping[str, int]:
        return {"topics": await topics.remove_tenant(settings.kafka, tenant_id)}

    return remove


def _topic_maker(settings: CatalogSettings) -> TopicMaker:
    async def make(tenants: Sequence[str]) -> None:
        wanted = [
            topic
            for tenant in tenants
            for topic in topics.tenant_topics(tenant, settings.topic_replication)
        ]
        try:
            await topics.ensure(settings.kafka, wanted)
        except KafkaError as error:
            raise Unavailable("Kafka makes no topics at present; try again.") from error

    return make


if __name__ == "__main__":
    serve(build(CatalogSettings()))
