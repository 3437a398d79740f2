"""Leases where they matter: two training services on one PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.blobs import open_blobs
from chassis.database import Database
from chassis.problems import Conflict
from chassis.testing import TENANT
from training.domain.jobs import Kind, State
from training.operations import algorithms, jobs
from training.operations.runner import Runner
from training.store import interactions
from training.store import jobs as store
from training.store.tables import Base
from training.tests.standins import FakeCompute, progress, result, until


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """Training's tables in a database of their own."""
    engine = create_async_engine(postgres_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("DROP DATABASE IF EXISTS training_leases"))
        await connection.execute(text("CREATE DATABASE training_leases"))
    await engine.dispose()
    url = make_url(postgres_url).set(database="training_leases")
    database = Database(url.render_as_string(hide_password=False), Base.metadata)
    await database.create_all()
    yield database
    await database.close()


def service(database: Database, compute: FakeCompute, folder: Path) -> Runner:
    """Return the runner of one service."""
    return Runner(
        database,
        compute=compute,
        blobs=open_blobs(folder.as_uri()),
        workers=3,
        lease=timedelta(seconds=15),
        heartbeat=timedelta(seconds=0.2),
    )


async def test_two_services_share_all_jobs_and_run_none_twice(
    database: Database, tmp_path: Path
) -> None:
    compute = FakeCompute()
    async with database.transaction(tenant_id=TENANT) as tx:
        for number in range(20):
            # Twice as many scripts as jobs: a job that ran twice would find one.
            compute.play(progress(0.5, "half way"), result())
            compute.play(progress(0.5, "half way"), result())
            await jobs.request(tx, Kind.TRAIN, {"number": number})
    both = [service(database, compute, tmp_path) for _ in range(2)]

    running = [asyncio.create_task(runner.run()) for runner in both]
    await until(lambda: len(compute.specs) == 20, seconds=60)
    await asyncio.gather(*(runner.idle() for runner in both))
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert sorted(spec["number"] for spec in compute.specs) == list(range(20))
    async with database.transaction(tenant_id=TENANT, write=False) as tx:
        found = await store.jobs.all(tx)
    assert {job.state for job in found} == {State.COMPLETED}
    assert {job.attempt for job in found} == {1}


async def test_an_algorithm_that_many_ask_for_at_once_is_trained_once(database: Database) -> None:
    async with database.transaction(tenant_id=TENANT) as tx:
        await interactions.count(tx, now=tx.clock(), interactions=10)

    async def ask() -> str | None:
        try:
            async with database.transaction(tenant_id=TENANT) as tx:
                return (await algorithms.train(tx, "collaborative"))[0].uid
        except Conflict:
            return None

    told = await asyncio.gather(*(ask() for _ in range(8)))
    assert len({uid for uid in told if uid is not None}) == 1
