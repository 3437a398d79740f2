"""What every compute does, executed on each adapter.

A subclass gives the fixture `compute`, open, with two workers. The work that it is given is
`chassis.tests.work`.
"""
# ruff: noqa: S101 - asserting is what a behaviour suite is for

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from chassis.compute import Compute, Report, Status, WorkInvalid, WorkNotFound

MODULE = "chassis.tests.work"
PATIENCE = 30.0


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return once a condition holds; fail when it does not in time."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - another process brings it about
            await asyncio.sleep(0.01)


async def outcome(compute: Compute, **spec: Any) -> Report:
    """Return the last report of a piece of work."""
    work_id = await compute.submit(MODULE, spec)
    return [report async for report in compute.reports(work_id)][-1]


class ComputeBehaviour:
    """Inherit, and give the fixture `compute`."""

    async def test_reports_arrive_in_order_and_the_result_last(self, compute: Compute) -> None:
        spec = {"do": "echo", "text": "ünï\n\0", "nested": {"list": [1, 2.5, None, True]}}

        work_id = await compute.submit(MODULE, spec)
        reports = [report async for report in compute.reports(work_id)]

        assert reports == [
            Report("progress", {"fraction": 0.5, "stage": "half"}),
            Report("log", {"message": "nearly there", "level": "debug"}),
            Report("progress", {"fraction": 1}),
            Report("result", spec),
        ]
        assert await compute.status(work_id) == Status("completed")

    async def test_who_asks_late_still_hears_the_result(self, compute: Compute) -> None:
        work_id = await compute.submit(MODULE, {"do": "echo"})
        before = [report async for report in compute.reports(work_id)]

        assert [report async for report in compute.reports(work_id)] == before[-1:]

    async def test_a_large_specification_arrives_whole(self, compute: Compute) -> None:
        report = await outcome(compute, do="echo", text="x" * 500_000)

        assert len(report.body["text"]) == 500_000

    async def test_what_libraries_print_is_no_report(self, compute: Compute) -> None:
        work_id = await compute.submit(MODULE, {"do": "chatter"})

        reports = [report async for report in compute.reports(work_id)]

        assert [report.kind for report in reports] == ["log", "result"]
        assert reports[0].body["message"] == "a report"

    async def test_work_may_spawn_processes_of_its_own(self, compute: Compute) -> None:
        report = await outcome(compute, do="spawn")

        assert report.body["spawned"] != report.body["pid"]

    async def test_an_exception_becomes_an_error(self, compute: Compute) -> None:
        work_id = await compute.submit(MODULE, {"do": "fail", "message": "no rows"})

        reports = [report async for report in compute.reports(work_id)]

        assert reports == [Report("error", {"code": "FAILED", "message": "ValueError: no rows"})]
        assert await compute.status(work_id) == Status("failed", "ValueError: no rows")

    async def test_what_was_away_is_told_from_what_failed(self, compute: Compute) -> None:
        report = await outcome(compute, do="be_hindered")

        assert report.body["code"] == "AWAY"

    @pytest.mark.parametrize(
        ("do", "words"),
        [
            ("crash", ["exit status 7", "segmentation of all hopes"]),
            ("be_killed", ["SIGKILL"]),
            ("rave", ["SIGKILL"]),
        ],
    )
    async def test_a_crash_becomes_an_error_that_says_how(
        self, compute: Compute, do: str, words: list[str]
    ) -> None:
        report = await outcome(compute, do=do)

        assert (report.kind, report.body["code"]) == ("error", "CRASHED")
        assert [word for word in words if word not in report.body["message"]] == []

    async def test_a_module_that_does_not_exist_fails(self, compute: Compute) -> None:
        work_id = await compute.submit("chassis.no_such_work", {})

        [report] = [report async for report in compute.reports(work_id)]

        assert report.body["code"] == "CRASHED"
        assert "No module named" in report.body["message"]

    async def test_memory_is_limited_where_asked(self, compute: Compute) -> None:
        spec = {"do": "gorge", "bytes": 2_000_000_000}

        work_id = await compute.submit(MODULE, spec, memory_bytes=1_000_000_000)
        [report] = [report async for report in compute.reports(work_id)]

        assert report.body["code"] == "OUT_OF_MEMORY"

    async def test_cancelled_work_ends(self, compute: Compute, tmp_path: Path) -> None:
        work_id = await compute.submit(MODULE, {"do": "wait", "file": str(tmp_path / "never")})
        reports = compute.reports(work_id)
        assert (await anext(reports)).body["message"] == "waiting"
        assert await compute.status(work_id) == Status("running")

        await compute.cancel(work_id)

        assert [report async for report in reports][-1].body["code"] == "CANCELLED"
        assert await compute.status(work_id) == Status("cancelled")
        await compute.cancel(work_id)

    async def test_finished_work_stays_finished_when_cancelled(self, compute: Compute) -> None:
        work_id = await compute.submit(MODULE, {"do": "echo"})
        before = [report async for report in compute.reports(work_id)]

        await compute.cancel(work_id)

        assert await compute.status(work_id) == Status("completed")
        assert [report async for report in compute.reports(work_id)] == before[-1:]

    async def test_work_beyond_the_workers_waits_its_turn(
        self, compute: Compute, tmp_path: Path
    ) -> None:
        spec = {"do": "wait", "file": str(tmp_path / "go")}
        first, second, third, fourth = [await compute.submit(MODULE, spec) for _ in range(4)]

        for work_id in (first, second):
            await anext(compute.reports(work_id))
        assert await compute.status(third) == Status("pending")
        await compute.cancel(third)
        assert await compute.status(third) == Status("cancelled")
        assert await compute.status(fourth) == Status("pending")
        (tmp_path / "go").touch()

        for work_id in (first, second, fourth):
            reports = [report async for report in compute.reports(work_id)]
            assert reports[-1].kind == "result"
        [report] = [report async for report in compute.reports(third)]
        assert report.body["code"] == "CANCELLED"

    async def test_unknown_work_is_not_found(self, compute: Compute) -> None:
        with pytest.raises(WorkNotFound):
            await compute.status("unknown")
        with pytest.raises(WorkNotFound):
            await compute.cancel("unknown")
        with pytest.raises(WorkNotFound):
            await anext(compute.reports("unknown"))

    @pytest.mark.parametrize("module", ["", "-c", "a b", "a/b", "a..b", ".a", "a;b", "os.système"])
    async def test_only_modules_can_be_submitted(self, compute: Compute, module: str) -> None:
        with pytest.raises(WorkInvalid):
            await compute.submit(module, {})

    @pytest.mark.parametrize("value", [object(), 2**64, "\ud800"], ids=["object", "big", "text"])
    async def test_a_specification_is_json(self, compute: Compute, value: object) -> None:
        with pytest.raises(WorkInvalid):
            await compute.submit(MODULE, {"value": value})
