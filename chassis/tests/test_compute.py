"""The embedded compute: the common behaviour, and what processes add to it."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.compute import Compute, ComputeUnavailable, WorkNotFound, open_compute
from chassis.compute.embedded import ProcessCompute
from chassis.testing.compute import MODULE, ComputeBehaviour, outcome, until

OWNER = """
import asyncio, sys
from chassis.compute import open_compute

async def main():
    compute = open_compute("process://")
    spec = {"do": "wait", "file": "/nowhere", "helper": True, "stubborn": True}
    async for report in compute.reports(await compute.submit("chassis.tests.work", spec)):
        print(report.body.get("pid"), report.body.get("helper"), flush=True)

asyncio.run(main())
"""


@pytest.fixture
async def compute() -> AsyncIterator[Compute]:
    async with ProcessCompute(workers=2, grace=0.2) as opened:
        yield opened


class TestEmbeddedCompute(ComputeBehaviour):
    """Runs the common behaviour."""


class TestWithoutForks(ComputeBehaviour):
    """Runs the common behaviour where a fork is not safe."""

    @pytest.fixture(autouse=True)
    def nobody_forks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("chassis.compute.embedded._FORKS", False)


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended but was not fetched does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def test_cancelled_work_takes_its_own_children_along(
    compute: Compute, tmp_path: Path
) -> None:
    spec = {"do": "wait", "file": str(tmp_path / "never"), "helper": True, "stubborn": True}
    work_id = await compute.submit(MODULE, spec)
    reports = compute.reports(work_id)
    await anext(reports)
    pids = (await anext(reports)).body

    await compute.cancel(work_id)

    async def both_gone() -> bool:
        return not is_alive(pids["pid"]) and not is_alive(pids["helper"])

    await until(both_gone)


async def test_work_ends_when_its_service_is_killed() -> None:
    worker, helper = _pids_of_work_whose_owner_is_killed()

    async def both_gone() -> bool:
        return not is_alive(worker) and not is_alive(helper)

    await until(both_gone)


async def test_closing_ends_what_runs_and_what_waits(tmp_path: Path) -> None:
    compute = ProcessCompute(workers=1, grace=0.2)
    spec = {"do": "wait", "file": str(tmp_path / "never")}
    running, waiting = [await compute.submit(MODULE, spec) for _ in range(2)]
    await anext(compute.reports(running))

    await compute.close()

    assert (await compute.status(running)).state == "cancelled"
    assert (await compute.status(waiting)).state == "cancelled"


async def test_each_worker_gets_its_share_of_the_cores(compute: Compute) -> None:
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]

    report = await outcome(compute, do="environment", names=names)

    share = str(max(1, len(os.sched_getaffinity(0)) // 2))
    assert report.body == dict.fromkeys(names, share)


async def test_workers_get_no_database_broker_or_password_of_their_service(
    compute: Compute, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"MILLRACE_HOME": "/data", "MILLRACE_BLOBS_URL": "s3://b", "MILLRACE_KEYS": "/keys"}
    secret = [
        f"MILLRACE_{name}"
        for name in ("DATABASE_URL", "KAFKA_PASSWORD", "DOCUMENTS_URL", "STRIPE_KEY", "RATES_URL")
    ]
    for name, value in {**told, **dict.fromkeys(secret, "secret")}.items():
        monkeypatch.setenv(name, value)

    report = await outcome(compute, do="environment", names=[*told, *secret])

    assert report.body == {**told, **dict.fromkeys(secret)}


async def test_what_takes_long_to_import_is_imported_once(compute: Compute) -> None:
    first, second = [(await outcome(compute, do="introduce")).body for _ in range(2)]

    assert first["pid"] != second["pid"]
    assert first["parent"] == second["parent"]
    assert first["prepared_by"] == second["prepared_by"] == [first["parent"]]


async def test_who_imported_it_ends_when_there_was_no_work_for_long() -> None:
    async with ProcessCompute(workers=1, linger=0.0) as compute:
        parent = (await outcome(compute, do="introduce")).body["parent"]

        async def is_gone() -> bool:
            return not is_alive(parent)

        await until(is_gone)
        assert (await outcome(compute, do="introduce")).body["parent"] != parent


async def test_work_whose_parent_is_killed_has_crashed_and_the_next_finds_another(
    compute: Compute, tmp_path: Path
) -> None:
    parent = (await outcome(compute, do="introduce")).body["parent"]
    spec = {"do": "wait", "file": str(tmp_path / "never")}
    reports = compute.reports(await compute.submit(MODULE, spec))
    await anext(reports)
    worker = (await anext(reports)).body["pid"]

    os.kill(parent, signal.SIGKILL)

    [report] = [report async for report in reports]
    assert report.body["code"] == "CRASHED"

    async def is_gone() -> bool:
        return not is_alive(worker)

    await until(is_gone)
    assert (await outcome(compute, do="introduce")).body["parent"] != parent


@pytest.mark.parametrize("forks", [True, False], ids=["forked", "spawned"])
async def test_work_that_stands_still_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, forks: bool
) -> None:
    monkeypatch.setattr("chassis.compute.embedded._FORKS", forks)
    async with ProcessCompute(workers=1, silence=2.0) as compute:
        spec = {"do": "wait", "file": str(tmp_path / "never"), "helper": True}
        reports = compute.reports(await compute.submit(MODULE, spec))
        await anext(reports)
        pids = (await anext(reports)).body

        os.kill(pids["pid"], signal.SIGSTOP)

        [report] = [report async for report in reports]
        assert report.body["code"] == "CRASHED"
        assert report.body["message"] == "the work gave no sign of life for 2 seconds"

        async def both_gone() -> bool:
            return not is_alive(pids["pid"]) and not is_alive(pids["helper"])

        await until(both_gone)


async def test_work_that_only_waits_is_left_alone() -> None:
    async with ProcessCompute(workers=1, silence=3.0) as compute:
        assert (await outcome(compute, do="rest", seconds=5)).kind == "result"


async def test_a_parent_that_stands_still_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("chassis.compute.forking._TELLING", 0.1)
    async with ProcessCompute(workers=1, silence=2.0) as compute:
        parent = (await outcome(compute, do="introduce")).body["parent"]
        spec = {"do": "wait", "file": str(tmp_path / "go")}
        reports = compute.reports(await compute.submit(MODULE, spec))
        await anext(reports)

        os.kill(parent, signal.SIGSTOP)
        (tmp_path / "go").touch()

        assert [report async for report in reports][-1].kind == "result"
        assert (await outcome(compute, do="introduce")).body["parent"] != parent


async def test_a_stopped_worker_of_a_stopped_parent_is_cancelled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("chassis.compute.forking._TELLING", 0.1)
    async with ProcessCompute(workers=1, grace=0.2) as compute:
        parent = (await outcome(compute, do="introduce")).body["parent"]
        spec = {"do": "wait", "file": str(tmp_path / "never")}
        work_id = await compute.submit(MODULE, spec)
        reports = compute.reports(work_id)
        await anext(reports)
        worker = (await anext(reports)).body["pid"]
        for process in (parent, worker):
            os.kill(process, signal.SIGSTOP)

        await compute.cancel(work_id)

        assert (await compute.status(work_id)).state == "cancelled"


async def test_an_environment_beyond_all_measure_is_refused(
    compute: Compute, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ONE", "ANOTHER"):
        monkeypatch.setenv(name, "x" * 100_000)

    report = await outcome(compute, do="echo")

    assert report.body["message"].endswith("the environment is too large")


async def test_old_work_is_forgotten(compute: Compute, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.compute.embedded.REMEMBERED", 2)
    ids = []
    for _ in range(4):
        ids.append(await compute.submit("chassis.no_such_work", {}))
        assert [report async for report in compute.reports(ids[-1])]
        await compute.cancel(ids[-1])

    assert (await compute.status(ids[-1])).state == "failed"
    with pytest.raises(WorkNotFound):
        await compute.status(ids[0])


def test_a_url_says_how_many_work_at_once() -> None:
    compute = open_compute("process://?workers=3")

    assert isinstance(compute, ProcessCompute)
    assert compute.workers == 3


@pytest.mark.parametrize(
    "url", ["threads://", "process://host", "process://?speed=9", "process://?workers=0"]
)
def test_a_url_that_names_no_compute_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="process"):
        open_compute(url)


def test_ray_is_said_to_be_unavailable() -> None:
    with pytest.raises(ComputeUnavailable) as refusal:
        open_compute("ray://127.0.0.1:10001")

    assert (refusal.value.status, refusal.value.code_constant) == (503, "RAY_UNAVAILABLE")


def _pids_of_work_whose_owner_is_killed() -> tuple[int, int]:
    with subprocess.Popen(
        (sys.executable, "-c", OWNER), stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        owner.stdout.readline()
        worker, helper = map(int, owner.stdout.readline().split())
        owner.send_signal(signal.SIGKILL)
    return worker, helper
