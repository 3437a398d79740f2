"""Rows that nobody asks for any more go; what is still shown stays."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from chassis.testing import ADMIN, OTHER_TENANT, TENANT, Bench, FrozenClock
from contracts.generations import GenerationChanged
from training.domain.jobs import Kind, State
from training.operations import pruning
from training.store import jobs, logs
from training.store import pruning as store
from training.store.tables import Base, LogLineRow, RetrainingRunRow, ScheduleRow
from training.tests.standins import FakeCompute, progress, requested, result, run_everything

DAYS = {"lines": timedelta(days=30), "history": timedelta(days=90)}


async def over(
    bench: Bench, tenant_id: str = TENANT, *, state: State = State.COMPLETED, **columns: Any
) -> str:
    """Keep a job that ended now and said one line; return its uid."""
    async with bench.database.transaction(tenant_id=tenant_id) as tx:
        job = await jobs.add(
            tx,
            kind=Kind.ALGORITHM,
            state=state,
            order={},
            max_retries=3,
            requested_at=tx.clock(),
            finished_at=tx.clock(),
            **columns,
        )
        await logs.append(tx, job, [(tx.clock(), "done")])
    return job.uid


async def left(bench: Bench, table: str) -> int:
    async with bench.database.transaction(tenant_id=None) as tx:
        query = select(func.count()).select_from(Base.metadata.tables[table])
        return int(await tx.session.scalar(query) or 0)


async def uids(bench: Bench) -> set[str]:
    async with bench.database.transaction(tenant_id=None) as tx:
        return {job.uid for job in await jobs.jobs.all(tx)}


async def test_old_lines_go_in_batches_and_young_ones_stay(
    bench: Bench, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_SOME", 2)
    for _ in range(5):
        await over(bench, algorithm="collaborative")
    clock.advance(days=31)
    await over(bench, OTHER_TENANT, algorithm="collaborative")

    assert await pruning.prune(bench.database, **DAYS) == 5
    assert (await left(bench, "task_logs"), await left(bench, "jobs")) == (1, 6)
    assert await pruning.prune(bench.database, **DAYS) == 0


async def test_an_algorithms_newest_job_stays_and_those_before_it_go(
    bench: Bench, clock: FrozenClock
) -> None:
    await over(bench, algorithm="collaborative")
    newest = {
        await over(bench, algorithm="collaborative", state=State.FAILED),
        await over(bench, algorithm="content-based"),
        await over(bench, OTHER_TENANT, algorithm="collaborative"),
    }
    clock.advance(days=91)
    await pruning.prune(bench.database, **DAYS)

    assert await uids(bench) == newest
    listed = await bench.as_caller(ADMIN).get("/api/v1/algorithms")
    status = {each["name"]: each["status"] for each in listed.json()}
    assert status["collaborative"] == "failed"


async def test_a_models_job_stays_with_its_model(
    bench: Bench, compute: FakeCompute, clock: FrozenClock
) -> None:
    compute.play(progress(0.5, "half way"), result())
    model = await requested(bench)
    await run_everything(bench)
    clock.advance(days=91)
    await pruning.prune(bench.database, **DAYS)
    path = f"/api/v1/trained_model/{model['id']}/"
    shown = (await bench.as_caller(ADMIN).get(path)).json()
    assert shown["task_links"][0]["task"]["status"] == "SUCCESS"

    assert (await bench.as_caller(ADMIN).delete(path)).status_code == 204
    await pruning.prune(bench.database, **DAYS)
    assert await uids(bench) == set()


async def test_what_is_not_over_stays(bench: Bench, clock: FrozenClock) -> None:
    waiting = await over(bench, algorithm="collaborative", state=State.PENDING)
    clock.advance(days=1000)
    await over(bench, algorithm="collaborative")
    await pruning.prune(bench.database, **DAYS)

    assert waiting in await uids(bench)


async def test_a_schedules_newest_run_and_newest_completed_one_stay(
    bench: Bench, clock: FrozenClock
) -> None:
    async with bench.database.transaction(tenant_id=TENANT) as tx:
        schedule = ScheduleRow(
            project=1,
            is_enabled=True,
            cron_expression="* * * * *",
            retune=False,
            max_retries=0,
            notify_on_failure=False,
            auto_deploy=False,
        )
        tx.session.add(schedule)
        await tx.session.flush()
        for status in ("COMPLETED", "COMPLETED", "FAILED", "SKIPPED", "FAILED", "PENDING"):
            run = RetrainingRunRow(
                schedule=schedule.id, status=status, ins_datetime=clock(), completed_at=clock()
            )
            tx.session.add(run)
            await tx.session.flush()
    clock.advance(days=91)
    await pruning.prune(bench.database, **DAYS)

    async with bench.database.transaction(tenant_id=TENANT) as tx:
        rows = await tx.session.scalars(select(RetrainingRunRow).order_by(RetrainingRunRow.id))
        assert [row.status for row in rows] == ["COMPLETED", "PENDING"]


async def test_generations_that_were_over_long_ago_are_forgotten(
    bench: Bench, clock: FrozenClock
) -> None:
    for uid, state in (("one", "completed"), ("two", "running")):
        await bench.deliver(
            GenerationChanged(
                tenant_id=TENANT,
                occurred_at=clock(),
                job_uid=uid,
                state=state,
                progress=0.5,
                users_served=1,
                requested_at=clock(),
            )
        )
    clock.advance(days=91)
    await pruning.prune(bench.database, **DAYS)

    assert await left(bench, "generations") == 1


async def test_lines_are_deleted_by_their_place_and_not_by_a_look_at_all(bench: Bench) -> None:
    async with bench.database.engine.connect() as connection:
        statement = store.lines(bench.database.clock()).compile(
            bench.database.engine, compile_kwargs={"literal_binds": True}
        )
        plan = (await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")).all()
    steps = [row[-1] for row in plan]
    assert not any("TEMP B-TREE FOR ORDER BY" in step for step in steps), steps
    assert LogLineRow.__tablename__ in " ".join(steps)
