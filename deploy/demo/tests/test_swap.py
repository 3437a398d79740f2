"""The chapter about the swap ends, whatever happens in it, and says what failed."""

import asyncio
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from demo.client import BackEnd, Unexpected
from demo.dataset import Dataset, Interaction, Split
from demo.stack import Stack
from demo.stage import Stage
from demo.story import swap


class Answering(BackEnd):
    """A platform that trains when told to, and answers with one version after the other."""

    def __init__(
        self, statuses: dict[int, int], *, trains: bool = True, detail: str | None = None
    ) -> None:
        super().__init__("http://nowhere")
        self.calls = 0
        self._statuses = statuses
        self._trains = trains
        self._detail = detail
        self._busy = asyncio.Event()

    async def attempt(self, method: str, path: str, **rest: Any) -> httpx.Response | None:
        self.calls += 1
        if self.calls == 10:
            self._busy.set()
        status = self._statuses.get(self.calls, 200)
        return httpx.Response(status, headers={"millrace-model": f"v{self.calls}"}, text="Oh.")

    async def admin(self, method: str, path: str, **rest: Any) -> Any:
        await self._busy.wait()
        if not self._trains:
            raise Unexpected("job 7 failed")
        if path.startswith("/api/v1/jobs"):
            return {"status": "completed"}
        if method == "POST":
            return {"job_id": "7"}
        row = {"name": "collaborative", "status": "ready", "model_version": "v2"}
        return [row | {"detail": self._detail}]


def stage(back_end: BackEnd, home: Path) -> Stage:
    met = [Interaction("a", "x", "like", datetime(2026, 1, 1, tzinfo=UTC))]
    console = Console(file=io.StringIO())
    return Stage(Stack(home, 0, 0), back_end, Dataset("data", {}, met), Split(met, {}), console)


async def others() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


async def test_calls_that_all_succeed_are_counted(tmp_path: Path) -> None:
    told = stage(Answering({}), tmp_path)
    await swap.swap(told)
    assert isinstance(told.console.file, io.StringIO)
    assert "0 failures" in told.console.file.getvalue()
    assert await others() == set()


async def test_a_model_that_is_not_put_in_service_ends_the_chapter_with_its_reason(
    tmp_path: Path,
) -> None:
    told = stage(Answering({}, detail="It did not beat popularity."), tmp_path)
    await swap.swap(told)
    assert isinstance(told.console.file, io.StringIO)
    assert "It did not beat popularity.\n  so nothing is swapped" in told.console.file.getvalue()
    assert await others() == set()


async def test_a_call_that_fails_ends_the_story(tmp_path: Path) -> None:
    with pytest.raises(Unexpected, match=r"1 calls? failed during the swap, the first: 503 Oh\."):
        await swap.swap(stage(Answering({3: 503}), tmp_path))
    assert await others() == set()


async def test_a_training_that_fails_stops_the_callers(tmp_path: Path) -> None:
    with pytest.raises(Unexpected, match="job 7 failed"):
        await swap.swap(stage(Answering({}, trains=False), tmp_path))
    assert await others() == set()
