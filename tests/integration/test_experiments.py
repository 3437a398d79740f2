"""Two replicas of experiments on one PostgreSQL count users once, and do not block each other."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.testing import ADMIN, TENANT, Bench, FrozenClock, on_the_bench, settings_in
from chassis.testing.compute import until
from contracts.tenants import PersonErased
from experiments.app import build
from experiments.store import ab_tests, slots, tallies
from experiments.tests.world import NOW, a_running_test, model, project, results

EVENTS, BATCH = 1200, 150


@pytest.fixture
async def replicas(postgres_url: str, tmp_path: Path) -> AsyncIterator[list[Bench]]:
    """Return two processes' worth of experiments on a database of their own."""
    name = f"experiments_{uuid4().hex[:12]}"
    engine = create_async_engine(postgres_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
        url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        async with AsyncExitStack() as stack:
            made = [build(settings_in(tmp_path, database_url=url), patience=0.0) for _ in range(2)]
            for service in made:
                service.database.clock = FrozenClock(NOW)
            benches = [await stack.enter_async_context(on_the_bench(each)) for each in made]
            await benches[0].deliver(project(1), model(11, 1))
            yield benches
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()


def records(test: dict[str, Any], chance: random.Random) -> list[bytes]:
    """Return events of few users, so that replicas meet; a user has clicks before impressions."""
    made = []
    for number in range(EVENTS):
        request = chance.choice([None, *range(40)])
        body = {
            "eventId": f"e{number}",
            "project": 1,
            "deployment_slot": test[chance.choice(["control_slot", "variant_slot"])],
            "user_id": f"user {chance.randrange(60)}",
            "event_type": chance.choice(["impression", "impression", "click"]),
            "timestamp": NOW.isoformat(),
        }
        if request is not None:
            body["recommendation_request_id"] = str(UUID(int=request, version=4))
        made.append(json.dumps(body).encode())
    return made


async def told(bench: Bench, batches: list[list[bytes]]) -> None:
    for batch in batches:
        await bench.ingest("conversions", *batch)


async def deadlocks(bench: Bench) -> int:
    """Return how often PostgreSQL had to end a transaction of this database to free another."""
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    async with bench.database.transaction(tenant_id=None) as tx:
        connection = await tx.session.connection()
        return int(await connection.scalar(text(query)) or 0)


async def counted_afresh(bench: Bench) -> None:
    """Make the counts by user look as if an older release had written them."""
    async with bench.database.transaction(tenant_id=None) as tx:
        connection = await tx.session.connection()
        await connection.execute(text("UPDATE tally SET summed = 0, users = 0, products = 0"))


async def named(bench: Bench, user_id: str) -> int:
    """Return how many rows still name a user."""
    count = 0
    async with bench.database.transaction(tenant_id=None) as tx:
        connection = await tx.session.connection()
        for table in ("conversion", "shown_user", "user_request"):
            query = text(f"SELECT count(*) FROM {table} WHERE user_id = :user_id")  # noqa: S608
            count += int(await connection.scalar(query, {"user_id": user_id}) or 0)
    return count


async def test_users_are_counted_once_whichever_replica_hears_of_them(
    replicas: list[Bench],
) -> None:
    chance = random.Random(5)
    one, other = replicas
    async with one.as_caller(ADMIN) as client:
        test = await a_running_test(client)
        made = records(test, chance)
        # Each replica hears everything, in an order of its own: what comes again adds nothing.
        work = []
        for bench in (one, other, one, other):
            order = chance.sample(made, len(made))
            batches = [order[at : at + BATCH] for at in range(0, EVENTS, BATCH)]
            work.append(told(bench, batches))
        await asyncio.gather(*work)
        assert await deadlocks(one) == 0
        found = await results(client, test)
        assert (found["control_users"], found["variant_users"]) == (60, 60)
        assert found["control_joined_conversions"] > 0
        await counted_afresh(one)
        # Both are asked at once; one makes the counts, from the events, as they were.
        async with other.as_caller(ADMIN) as beside:
            both = await asyncio.gather(results(client, test), results(beside, test))
            assert list(both) == [found] * 2
        # Counting afresh and erasing at once leave neither a name nor another number.
        for number in range(5):
            await counted_afresh(one)
            uid = f"user {number}"
            person = PersonErased(tenant_id=TENANT, occurred_at=NOW, person_uid=uid)
            await asyncio.gather(
                *(each.deliver(person) for each in replicas), results(client, test)
            )
            assert await results(client, test) == found
            assert await named(one, uid) == 0


async def waits_for_a_lock(bench: Bench) -> bool:
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with bench.database.transaction(tenant_id=None) as tx:
        connection = await tx.session.connection()
        return bool(await connection.scalar(text(query)))


async def test_an_erasure_waits_until_nobody_counts_afresh(replicas: list[Bench]) -> None:
    one, other = replicas
    async with one.as_caller(ADMIN) as client:
        test = await a_running_test(client)
        await told(one, [records(test, random.Random(6))[:300]])
        before = await results(client, test)
        person = PersonErased(tenant_id=TENANT, occurred_at=NOW, person_uid="user 7")
        async with one.database.transaction(tenant_id=TENANT) as tx:
            found = await ab_tests.get(tx.session, test["id"])
            assert found is not None
            await slots.held(tx.session, found.slot_ids)
            await tallies.count_afresh(tx.session, found, tenant_id=TENANT)
            erasing = asyncio.create_task(other.deliver(person))
            await until(lambda: waits_for_a_lock(other))
        await erasing
        assert await named(one, "user 7") == 0
        assert await results(client, test) == before
