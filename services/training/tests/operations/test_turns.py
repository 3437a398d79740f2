"""Whose job is next: every tenant's in turn, however many one of them has waiting."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from chassis.testing import OTHER_TENANT, TENANT, Bench, FrozenClock
from training.domain.jobs import Job, Kind, State
from training.operations import runs
from training.store import jobs, logs
from training.tests.standins import FakeCompute, death, progress, run_everything

LEASE = timedelta(seconds=15)


async def queued(bench: Bench, tenant_id: str, number: int = 1) -> None:
    """Let jobs of a tenant wait."""
    async with bench.database.transaction(tenant_id=tenant_id) as tx:
        for _ in range(number):
            await jobs.add(
                tx,
                kind=Kind.TRAIN,
                state=State.PENDING,
                order={},
                max_retries=3,
                requested_at=tx.clock(),
            )


async def claimed(bench: Bench) -> Job:
    """Take the next job."""
    async with bench.database.transaction(tenant_id=None) as tx:
        now = tx.clock()
        found = await jobs.claim(tx, holder="me", now=now, lease_until=now + LEASE)
    assert found is not None
    return found[0]


async def done(bench: Bench, job: Job, state: State = State.COMPLETED) -> None:
    """End or give back a job."""
    async with bench.database.transaction(tenant_id=job.tenant_id) as tx:
        assert await jobs.finish(tx, job, state=state)


async def turns(bench: Bench, clock: FrozenClock, number: int) -> Sequence[str]:
    """Let one worker do jobs, one after the other; return whose they were."""
    found = []
    for _ in range(number):
        clock.advance(seconds=1)
        job = await claimed(bench)
        await done(bench, job)
        found.append(job.tenant_id)
    return found


async def test_a_tenants_only_job_is_next_however_many_another_one_has(
    bench: Bench, clock: FrozenClock
) -> None:
    await queued(bench, TENANT, 1000)
    assert await turns(bench, clock, 2) == [TENANT, TENANT]
    await queued(bench, OTHER_TENANT)

    assert await turns(bench, clock, 3) == [OTHER_TENANT, TENANT, TENANT]


async def test_tenants_with_much_take_turns(bench: Bench, clock: FrozenClock) -> None:
    await queued(bench, TENANT, 5)
    await queued(bench, OTHER_TENANT, 5)

    assert await turns(bench, clock, 6) == [TENANT, OTHER_TENANT] * 3


async def test_who_has_less_at_work_comes_first(bench: Bench, clock: FrozenClock) -> None:
    await queued(bench, OTHER_TENANT, 2)
    first = await claimed(bench)
    clock.advance(seconds=1)
    await queued(bench, TENANT, 3)
    assert (await claimed(bench)).tenant_id == TENANT
    clock.advance(seconds=1)
    await done(bench, first)

    # The other tenant has nothing at work now, although its last turn is longer ago anyway.
    assert (await claimed(bench)).tenant_id == OTHER_TENANT


async def test_a_job_that_comes_back_waits_for_its_tenants_turn(
    bench: Bench, clock: FrozenClock
) -> None:
    await queued(bench, TENANT)
    job = await claimed(bench)
    await queued(bench, OTHER_TENANT)
    clock.advance(seconds=1)
    await done(bench, job, State.PENDING)

    assert await turns(bench, clock, 2) == [OTHER_TENANT, TENANT]


async def test_a_turn_of_a_clock_that_was_ahead_keeps_nobody_back(
    bench: Bench, clock: FrozenClock
) -> None:
    await queued(bench, TENANT, 3)
    clock.advance(hours=1)
    await done(bench, await claimed(bench))
    clock.advance(hours=-1)
    await queued(bench, OTHER_TENANT, 3)

    assert await turns(bench, clock, 4) == [TENANT, OTHER_TENANT] * 2


async def test_the_lines_of_all_attempts_together_are_bounded(
    bench: Bench, compute: FakeCompute, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_MOST_LINES", 8)
    await queued(bench, TENANT)
    said: list[Any] = [progress(0.1, f"line {n}") for n in range(5)]
    for _attempt in range(4):
        compute.play(*said, death())
        await run_everything(bench)
        clock.advance(minutes=1)

    async with bench.database.transaction(tenant_id=TENANT) as tx:
        [job] = await jobs.jobs.all(tx)
        assert (job.state, await logs.count(tx, job)) == (State.FAILED, 8)
