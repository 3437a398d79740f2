"""Stand-ins, started in order, kept running, and stopped."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from embedded import home, leftovers, records
from embedded.failure import Failure
from embedded.home import Home
from embedded.launcher import Launcher
from embedded.processes import Process
from embedded.tests.standins import server, task


@pytest.fixture
def folder(tmp_path: Path) -> Home:
    folder = Home(tmp_path)
    home.prepare(folder)
    return folder


@pytest.fixture
def run_id() -> str:
    return uuid4().hex


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the processes outside tell nobody
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running(folder: Home, run_id: str, *processes: Process) -> AsyncIterator[None]:
    stop = asyncio.Event()
    launcher = Launcher(folder, processes, run_id=run_id)
    running = asyncio.create_task(launcher.run(stop, greet=lambda: None))
    try:
        yield
    finally:
        stop.set()
        await running


def versions(folder: Home) -> dict[str, str | None]:
    return {name: record.version for name, record in records.read(folder).items()}


def pid(folder: Home, name: str) -> int:
    return records.read(folder)[name].pid


async def test_a_process_waits_for_those_it_needs(folder: Home, run_id: str) -> None:
    order = folder.path / "order"
    said = "import sys; open({!r}, 'a').write('{}')"
    first = task("first", run_id, said.format(str(order), "1"))
    second = task("second", run_id, said.format(str(order), "2"), after=("first",))
    third = task("third", run_id, said.format(str(order), "3"), after=("second",))
    async with running(folder, run_id, third, second, first):
        await until(lambda: order.exists() and len(order.read_text()) == 3)
    assert order.read_text() == "123"


async def test_what_a_process_writes_is_this_accounts_alone(folder: Home, run_id: str) -> None:
    made = folder.path / "made"
    writer = task("writer", run_id, f"import os; os.mkdir({str(made)!r}); open('{made}/x', 'w')")
    async with running(folder, run_id, writer):
        await until((made / "x").exists)
    assert made.stat().st_mode & 0o777 == 0o700
    assert (made / "x").stat().st_mode & 0o777 == 0o600


async def test_a_ready_process_is_noted_with_its_version(folder: Home, run_id: str) -> None:
    async with running(folder, run_id, server("shop", run_id)):
        await until(lambda: versions(folder) == {"shop": "7.1.0"})
    assert records.read(folder) == {}


async def test_the_fallen_is_started_again(folder: Home, run_id: str) -> None:
    async with running(folder, run_id, server("shop", run_id)):
        await until(lambda: versions(folder) == {"shop": "7.1.0"})
        before = pid(folder, "shop")
        os.kill(before, signal.SIGKILL)
        await until(lambda: versions(folder) == {"shop": "7.1.0"} and pid(folder, "shop") != before)


async def test_who_keeps_falling_waits_longer_each_time(
    folder: Home, run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(folder, run_id, server("shop", run_id)):
        for _fall in range(3):
            await until(lambda: versions(folder) == {"shop": "7.1.0"})
            before = pid(folder, "shop")
            os.kill(before, signal.SIGKILL)
            await until(lambda: "shop" in versions(folder) and pid(folder, "shop") != before)  # noqa: B023
    fell = [line for line in capsys.readouterr().out.splitlines() if "fell" in line]
    assert [line.split(" in ")[-1] for line in fell] == ["0.2 s", "0.5 s", "1 s"]


async def test_stopping_leaves_nothing_behind(folder: Home, run_id: str) -> None:
    grandchild = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()'],"
    grandchild += " stdin=subprocess.PIPE, start_new_session=True);"
    async with running(folder, run_id, server("shop", run_id, prelude=grandchild)):
        await until(lambda: versions(folder) == {"shop": "7.1.0"})
        assert len(leftovers.of_run(run_id)) == 2
    assert leftovers.of_run(run_id) == []


async def test_who_never_becomes_ready_ends_the_start_with_its_log(
    folder: Home, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedded.launcher.PAUSES", (0.0,))
    broken = task("broken", run_id, "raise SystemExit('the table is missing')")
    launcher = Launcher(folder, (broken, server("shop", run_id)), run_id=run_id)
    with pytest.raises(Failure, match=r"broken ended with status 1(.|\n)*the table is missing"):
        await launcher.run(asyncio.Event(), greet=lambda: None)
    assert leftovers.of_run(run_id) == []
