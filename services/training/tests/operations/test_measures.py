"""What operators see of jobs: how many, how long they wait, how they end, who fell silent."""

import asyncio
from datetime import timedelta

from prometheus_client import REGISTRY

from chassis.testing import ADMIN, Bench, FrozenClock
from training.operations import jobs
from training.store import jobs as store
from training.tests.standins import FakeCompute, death, requested, result, run_everything


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"millrace_{name}", labels) or 0.0


async def test_the_queue_and_the_age_of_its_head_are_told(bench: Bench, clock: FrozenClock) -> None:
    await jobs.measure(bench.database)
    assert sample("oldest_waiting_job_seconds") == 0
    await requested(bench)
    clock.advance(minutes=5)
    await requested(bench)
    await jobs.measure(bench.database)
    assert (sample("jobs", state="pending"), sample("jobs", state="running")) == (2, 0)
    assert sample("oldest_waiting_job_seconds") == 300


async def test_a_job_that_runs_waits_no_more(
    bench: Bench, compute: FakeCompute, clock: FrozenClock
) -> None:
    compute.gate.clear()
    compute.play(result())
    await requested(bench)
    clock.advance(minutes=5)
    runner = bench.app.state.runner
    assert await runner.step()
    await jobs.measure(bench.database)
    assert (sample("jobs", state="pending"), sample("jobs", state="running")) == (0, 1)
    assert sample("oldest_waiting_job_seconds") == 0
    compute.gate.set()
    await asyncio.wait_for(runner.idle(), timeout=10)


async def test_a_job_that_rests_before_a_retry_does_not_wait_for_a_worker(
    bench: Bench, compute: FakeCompute, clock: FrozenClock
) -> None:
    compute.play(death())
    await requested(bench)
    runner = bench.app.state.runner
    clock.advance(minutes=5)
    assert await runner.step()
    await asyncio.wait_for(runner.idle(), timeout=10)
    await jobs.measure(bench.database)
    assert sample("jobs", state="pending") == 1
    assert sample("oldest_waiting_job_seconds") == 0


async def test_every_end_of_a_job_is_counted_once(bench: Bench, compute: FakeCompute) -> None:
    def ended(state: str) -> float:
        return sample("jobs_ended_total", kind="train", state=state)

    before = {state: ended(state) for state in ("completed", "cancelled")}
    compute.play(result())
    await requested(bench)
    await run_everything(bench)
    model = await requested(bench)
    task = model["task_links"][0]["task"]["task_id"]
    answer = await bench.as_caller(ADMIN).post(f"/api/v1/jobs/{task}/cancel")
    assert answer.is_success, answer.text
    assert ended("completed") == before["completed"] + 1
    assert ended("cancelled") == before["cancelled"] + 1


async def test_a_lease_that_ran_out_is_counted_and_a_retry_is_not(
    bench: Bench, compute: FakeCompute, clock: FrozenClock
) -> None:
    before = sample("job_leases_lost_total")
    await requested(bench)
    async with bench.database.transaction(tenant_id=None) as tx:
        until = clock() + timedelta(seconds=15)
        await store.claim(tx, holder="dying", now=clock(), lease_until=until)
    clock.advance(minutes=1)
    compute.play(death())
    compute.play(result())
    await run_everything(bench)
    clock.advance(minutes=1)
    await run_everything(bench)
    assert sample("job_leases_lost_total") == before + 1
