"""Where producers connect: the first who asks makes a tenant's topics, and no others."""

import asyncio

from sqlalchemy import select

from catalog.operations.ingest_topics import IngestTopics
from catalog.store.tables import IngestTenantRow
from catalog.tests.conftest import IngestTopicMaker
from chassis.testing import ADMIN, OTHER_TENANT, STRANGER, TENANT, Bench, key_of

PATH = "/api/v1/ingest"


async def noted(bench: Bench) -> list[str]:
    """Return the tenants that are noted to have topics."""
    async with bench.database.transaction(tenant_id=None, write=False) as tx:
        return list(await tx.session.scalars(select(IngestTenantRow.tenant_id)))


def topics_of(bench: Bench, maker: IngestTopicMaker) -> IngestTopics:
    """Return the topics as another process, or this one after a new start, sees them."""
    return IngestTopics(bench.database, maker)


async def test_strangers_and_keys_that_cannot_write_make_no_topics(
    bench: Bench, ingest_kafka: IngestTopicMaker
) -> None:
    for caller, status in ((None, 401), (key_of("read"), 403)):
        async with bench.as_caller(caller) as client:
            assert (await client.get(PATH)).status_code == status
    assert ingest_kafka.made == await noted(bench) == []


async def test_a_tenant_that_never_asked_has_no_topics(
    bench: Bench, ingest_kafka: IngestTopicMaker
) -> None:
    await topics_of(bench, ingest_kafka).ensure()
    async with bench.as_caller(STRANGER) as client:
        assert (await client.get(PATH)).status_code == 200
    assert ingest_kafka.made == await noted(bench) == [OTHER_TENANT]


async def test_the_first_call_makes_the_topics_and_the_next_find_them(
    bench: Bench, ingest_kafka: IngestTopicMaker
) -> None:
    async with bench.as_caller(key_of("write")) as client:
        told = [(await client.get(PATH)).json() for _ in range(3)]
    assert told[0] == told[1] == told[2]
    assert ingest_kafka.made == await noted(bench) == [TENANT]


async def test_calls_at_the_same_time_are_all_answered(
    bench: Bench, ingest_kafka: IngestTopicMaker
) -> None:
    async with bench.as_caller(ADMIN) as client:
        answers = await asyncio.gather(*(client.get(PATH) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert set(ingest_kafka.made) == {TENANT}
    assert await noted(bench) == [TENANT]


async def test_while_kafka_is_away_it_says_so_and_makes_them_later(
    bench: Bench, ingest_kafka: IngestTopicMaker
) -> None:
    ingest_kafka.is_away = True
    async with bench.as_caller(ADMIN) as client:
        refused = await client.get(PATH)
        assert refused.status_code == 503
        assert "Kafka" in refused.json()["detail"]
        ingest_kafka.is_away = False
        assert (await client.get(PATH)).status_code == 200
    assert ingest_kafka.made == [TENANT]


async def test_a_kafka_that_lost_the_topics_gets_them_again_at_the_next_start(
    bench: Bench, ingest_kafka: IngestTopicMaker
) -> None:
    for caller in (ADMIN, STRANGER):
        async with bench.as_caller(caller) as client:
            assert (await client.get(PATH)).status_code == 200
    ingest_kafka.made.clear()
    await topics_of(bench, ingest_kafka).ensure()
    assert ingest_kafka.made == [TENANT, OTHER_TENANT]
