"""Until when an answer is of use, and what happens when that moment passes."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from chassis import deadline
from chassis.testing import Bench, on_the_bench
from chassis.tests import shop


class Slow:
    """Routes that take as long as the test wants."""

    def __init__(self) -> None:
        """Hold everything back."""
        self.may_go = asyncio.Event()
        self.begun = 0
        self.ended = asyncio.Event()
        self.router = APIRouter()
        self.router.get("/slow")(self._slow)
        self.router.get("/stubborn")(self._stubborn)
        self.router.get("/stream")(self._stream)

    async def _slow(self) -> str:
        self.begun += 1
        try:
            await self.may_go.wait()
        finally:
            self.ended.set()
        return "done"

    async def _stubborn(self) -> str:
        """Hang in the cleaning up as well, as a driver does whose server is frozen."""
        try:
            await asyncio.Event().wait()
        finally:
            await self.may_go.wait()
        return "never"

    async def _stream(self) -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"first;"
            await self.may_go.wait()
            yield b"last"

        return StreamingResponse(parts())


@contextlib.asynccontextmanager
async def served(folder: Path, slow: Slow) -> AsyncIterator[Bench]:
    """Run the small service with these routes."""
    async with on_the_bench(replace(shop.build(folder), routers=[slow.router])) as bench:
        yield bench


def within(seconds: float) -> dict[str, str]:
    """Return the header of a deadline that many seconds from now."""
    return {deadline.HEADER: deadline.spelled(time.time() + seconds).decode()}


async def test_work_whose_deadline_has_passed_is_not_begun(tmp_path: Path) -> None:
    slow = Slow()
    async with served(tmp_path, slow) as bench, bench.as_caller(None) as client:
        late = await client.get("/slow", headers=within(-1))
        assert late.status_code == 503
        assert late.json()["code"] == "DEADLINE_EXCEEDED"
        assert late.headers["retry-after"] == "1"
        assert slow.begun == 0


async def test_work_that_is_not_done_in_time_is_answered_and_ended(tmp_path: Path) -> None:
    slow = Slow()
    async with served(tmp_path, slow) as bench, bench.as_caller(None) as client:
        late = await client.get("/slow", headers=within(1))
        assert (late.status_code, late.headers["retry-after"]) == (503, "1")
        await asyncio.wait_for(slow.ended.wait(), 10)


async def test_an_answer_does_not_wait_for_what_cannot_be_ended(tmp_path: Path) -> None:
    slow, told = Slow(), asyncio.Event()
    messages = []

    async def send(message: dict[str, object]) -> None:
        messages.append(message)
        if message["type"] == "http.response.body":
            told.set()

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b""}

    headers = [(name.lower().encode(), value.encode()) for name, value in within(1).items()]
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/stubborn",
        "headers": headers,
    }
    scope |= {"query_string": b"", "client": None, "scheme": "http", "root_path": ""}
    async with served(tmp_path, slow) as bench:
        work = asyncio.create_task(bench.app(scope, receive, send))  # type: ignore[arg-type]
        await asyncio.wait_for(told.wait(), 10)
        assert messages[0]["status"] == 503
        assert not work.done()
        slow.may_go.set()
        await asyncio.wait_for(work, 10)
        assert len(messages) == 2


async def test_an_answer_that_has_begun_may_take_its_time(tmp_path: Path) -> None:
    slow = Slow()
    async with served(tmp_path, slow) as bench, bench.as_caller(None) as client:
        asyncio.get_running_loop().call_later(1.2, slow.may_go.set)
        streamed = await client.get("/stream", headers=within(1))
        assert (streamed.status_code, streamed.text) == (200, "first;last")


@pytest.mark.parametrize("said", ["", "soon", "nan", "-1", "1e9", "9" * 30])
async def test_what_is_no_deadline_is_none(tmp_path: Path, said: str) -> None:
    slow = Slow()
    slow.may_go.set()
    async with served(tmp_path, slow) as bench, bench.as_caller(None) as client:
        assert (await client.get("/slow", headers={deadline.HEADER: said})).status_code == 200
