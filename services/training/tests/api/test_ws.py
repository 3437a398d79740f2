"""WebSockets of jobs: refusals that a browser sees, the past first, then what happens."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from chassis.identity import ASSERTION_HEADER, Caller
from chassis.testing import ADMIN, SIGNER, STRANGER, Bench, key_of
from training.operations import watching
from training.tests.standins import (
    FakeCompute,
    data_changed,
    know,
    progress,
    project_changed,
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
        assert await socket.message() == {"type": "websocket.close", "code": 1000, "reason": ""}
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
        assert (await socket.message())["code"] == 1000


@pytest.mark.parametrize("outcome", [result(), result(refused="no such column")])
@pytest.mark.parametrize("end", ["status", "logs"])
async def test_a_job_that_is_over_is_told_and_the_socket_ends(
    bench: Bench, compute: FakeCompute, end: str, outcome: Any
) -> None:
    job = (await requested(bench))["task_links"][0]["task"]["task_id"]
    compute.play(progress(0.5, "half way"), outcome)
    await run_everything(bench)
    async with opened(bench, f"/ws/job/{job}/{end}", ADMIN) as socket:
        told = [await socket.message()]
        while told[-1]["type"] == "websocket.send":
            told.append(await socket.message())
        assert len(told) > 1
        assert told[-1]["code"] == 1000


async def test_a_search_is_watched_by_its_own_id_too(bench: Bench) -> None:
    await know(bench, project_changed(1), data_changed(1, 1))
    async with bench.as_caller(ADMIN) as client:
        body: dict[str, Any] = {"data": 1, "n_trials": 1}
        for recipe in ("split", "evaluation"):
            made = await client.post(f"/api/v1/{recipe}_config/", json={})
            body[recipe] = made.json()["id"]
        search = (await client.post("/api/v1/parameter_tuning_job/", json=body)).json()
    job = search["task_links"][0]["task"]["task_id"]
    for name in (job, search["id"]):
        async with opened(bench, f"/ws/job/{name}/status", ADMIN) as socket:
            assert (await socket.said())["status"] == "pending"


async def test_a_deleted_job_ends_its_sockets(bench: Bench) -> None:
    model = await requested(bench)
    job = model["task_links"][0]["task"]["task_id"]
    async with opened(bench, f"/ws/job/{job}/status", ADMIN) as socket:
        assert (await socket.said())["status"] == "pending"
        gone = await bench.as_caller(ADMIN).delete(f"/api/v1/trained_model/{model['id']}/")
        assert gone.status_code == 204
        last = await socket.message()
        while last["type"] == "websocket.send":
            last = await socket.message()
        assert last["code"] == 1000


async def test_all_who_watch_a_job_share_one_look(
    bench: Bench, compute: FakeCompute, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    look = watching.Feed._look

    async def counted(feed: watching.Feed) -> None:
        nonlocal looks
        looks += 1
        await look(feed)

    monkeypatch.setattr(watching.Feed, "_look", counted)
    monkeypatch.setattr(watching, "_LOOK", 3600.0)
    job = (await requested(bench))["task_links"][0]["task"]["task_id"]
    path = f"/ws/job/{job}/status"
    async with AsyncExitStack() as sockets:
        crowd = [await sockets.enter_async_context(opened(bench, path, ADMIN)) for _ in range(20)]
        assert {(await each.said())["status"] for each in crowd} == {"pending"}
        assert looks == 1
    assert bench.app.state.feeds.watched == 0


async def test_each_watcher_of_lines_gets_every_line_once_whenever_it_came(
    bench: Bench, compute: FakeCompute
) -> None:
    job = (await requested(bench))["task_links"][0]["task"]["task_id"]
    compute.gate.clear()
    compute.play(progress(0.1, "first"), progress(0.2, "second"), result())
    path = f"/ws/job/{job}/logs/"
    async with opened(bench, path, ADMIN) as early:
        await runner_of(bench).step()
        assert [(await early.said())["message"] for _ in range(2)] == ["first", "second"]
        async with opened(bench, path, ADMIN) as late:
            assert [(await late.said())["message"] for _ in range(2)] == ["first", "second"]
            compute.gate.set()
            await runner_of(bench).idle()
            for socket in (early, late):
                last = await socket.message()
                while last["type"] == "websocket.send":
                    assert json.loads(last["text"])["message"] not in {"first", "second"}
                    last = await socket.message()
                assert last["code"] == 1000
