"""WebSockets of jobs: refusals that a browser sees, the past first, then what happens."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chassis.identity import ASSERTION_HEADER, Caller
from chassis.testing import ADMIN, SIGNER, STRANGER, Bench, key_of
from training.tests.standins import (
    FakeCompute,
    progress,
    requested,
    result,
    run_everything,
    runner_of,
)


class Socket:
    """A client's end of a WebSocket."""

    def __init__(self) -> None:
        self.to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.from_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def message(self) -> dict[str, Any]:
        """Return the next thing that the server does."""
        async with asyncio.timeout(10):
            return await self.from_server.get()

    async def said(self) -> dict[str, Any]:
        """Return the next JSON message."""
        found: dict[str, Any] = json.loads((await self.message())["text"])
        return found


@asynccontextmanager
async def opened(bench: Bench, path: str, caller: Caller | None) -> AsyncIterator[Socket]:
    """Open a WebSocket for a caller; it is accepted."""
    headers = []
    if caller is not None:
        headers = [(ASSERTION_HEADER.lower().encode(), SIGNER.sign(caller).encode())]
    scope = {
        "type": "websocket",
        "path": path,
        "headers": headers,
        "query_string": b"",
        "subprotocols": [],
        "client": ("test", 1),
        "server": ("test", 80),
        "scheme": "ws",
    }
    socket = Socket()
    await socket.to_server.put({"type": "websocket.connect"})
    task = asyncio.create_task(bench.app(scope, socket.to_server.get, socket.from_server.put))  # type: ignore[arg-type]
    assert (await socket.message())["type"] == "websocket.accept"
    yield socket
    await socket.to_server.put({"type": "websocket.disconnect", "code": 1000})
    async with asyncio.timeout(10):
        await task


@pytest.mark.parametrize("end", ["status", "logs"])
async def test_a_stranger_is_closed_out_with_4401(bench: Bench, end: str) -> None:
    async with opened(bench, f"/ws/job/1/{end}/", None) as socket:
        assert (await socket.message())["code"] == 4401


@pytest.mark.parametrize("end", ["status", "logs"])
async def test_another_tenants_job_is_closed_with_4403(bench: Bench, end: str) -> None:
    job = (await requested(bench))["task_links"][0]["task"]["task_id"]
    for name in (job, "1", "9999", "nonsense"):
        async with opened(bench, f"/ws/job/{name}/{end}/", STRANGER) as socket:
            assert (await socket.message())["code"] == 4403
    elsewhere = key_of("read", project=2)
    async with opened(bench, f"/ws/job/{job}/{end}/", elsewhere) as socket:
        assert (await socket.message())["code"] == 4403


async def test_the_present_state_comes_first_and_then_each_change(
    bench: Bench, compute: FakeCompute
) -> None:
    job = (await requested(bench))["task_links"][0]["task"]["task_id"]
    compute.gate.clear()
    compute.play(progress(0.5, "half way"), result())
    async with opened(bench, f"/ws/job/{job}/status", ADMIN) as socket:
        assert await socket.said() == {
            "type": "status_update",
            "status": "pending",
            "data": {"buffered": True},
            "seq": 0,
        }
        await runner_of(bench).step()
        running = await socket.said()
        assert (running["status"], running["seq"]) == ("running", 1)
        compute.gate.set()
        seen = [running]
        while seen[-1]["status"] == "running":
            seen.append(await socket.said())
        assert seen[-1]["status"] == "completed"
        assert [each["seq"] for each in seen] == list(range(1, len(seen) + 1))


async def test_a_failure_is_told_with_its_reason(bench: Bench, compute: FakeCompute) -> None:
    job = (await requested(bench))["task_links"][0]["task"]["task_id"]
    compute.play(result(refused="no such column"))
    async with opened(bench, f"/ws/job/{job}/status", ADMIN) as socket:
        assert (await socket.said())["status"] == "pending"
        await run_everything(bench)
        last = await socket.said()
        while last["status"] == "running":
            last = await socket.said()
        assert (last["status"], last["data"]["error"]) == ("error", "no such column")
    async with opened(bench, f"/ws/job/{job}/status", ADMIN) as socket:
        assert (await socket.said())["status"] == "failed"


async def test_lines_of_the_past_are_replayed_and_new_ones_follow(
    bench: Bench, compute: FakeCompute
) -> None:
    job = (await requested(bench))["task_links"][0]["task"]["task_id"]
    compute.gate.clear()
    compute.play(progress(0.1, "first"), progress(0.2, "second"), result())
    await runner_of(bench).step()
    path = f"/ws/job/{job}/logs/"
    async with opened(bench, path, ADMIN) as socket:
        lines = [await socket.said() for _ in range(2)]
        assert [line["message"] for line in lines] == ["first", "second"]
        assert [line["seq"] for line in lines] == [0, 1]
        assert all(line["type"] == "log" and line["timestamp"].endswith("Z") for line in lines)
    compute.gate.set()
    await runner_of(bench).idle()
    async with opened(bench, path, ADMIN) as socket:
        replayed = [await socket.said() for _ in range(2)]
        assert all(line["buffered"] for line in replayed)
