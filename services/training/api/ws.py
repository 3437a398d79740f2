"""`/ws/job/{id}/…`: a job's state and lines as they change, for browsers (Recotem's front end).

Accepted first and closed then, with 4401 or 4403, because a browser cannot see a refused handshake.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from chassis import telemetry
from chassis.clock import now
from chassis.identity import ASSERTION_HEADER, Caller
from chassis.problems import Unauthenticated
from training.domain.jobs import LogLine
from training.operations import watching

_ALL_TOLD, _FAILED = 1000, 1011
_UNKNOWN_CALLER, _NOT_YOURS = 4401, 4403
_PING_SECONDS = 60.0

router = APIRouter()


@router.websocket("/ws/job/{job_id}/status")
async def status(socket: WebSocket, job_id: str) -> None:
    watch = await _admitted(socket, job_id)
    if watch is not None:
        await _tell(socket, _states(watch))


@router.websocket("/ws/job/{job_id}/logs")
async def logs(socket: WebSocket, job_id: str) -> None:
    watch = await _admitted(socket, job_id)
    if watch is not None:
        await _tell(socket, _lines(watch))


async def _admitted(socket: WebSocket, job_id: str) -> watching.Watch | None:
    await socket.accept()
    caller = _caller_of(socket)
    if caller is None:
        await socket.close(_UNKNOWN_CALLER, "Authentication credentials were not provided.")
        return None
    state = socket.app.state
    watch = await watching.begin(state.database, state.feeds, caller, job_id)
    if watch is None:
        await socket.close(_NOT_YOURS, "There is no such job for you.")
    return watch


def _caller_of(socket: WebSocket) -> Caller | None:
    token = socket.headers.get(ASSERTION_HEADER)
    try:
        caller: Caller | None = None if token is None else socket.app.state.verifier.verify(token)
    except Unauthenticated:
        return None
    return caller if caller is not None and "read" in caller.scopes else None


async def _tell(socket: WebSocket, messages: AsyncIterator[dict[str, Any] | None]) -> None:
    """Send messages with rising numbers and a ping now and then, until the client leaves or all is
    told.
    """
    listening = asyncio.create_task(_until_gone(socket))
    telling = asyncio.create_task(_number(socket, messages))
    try:
        await asyncio.wait({listening, telling}, return_when=asyncio.FIRST_COMPLETED)
        if telling.done():
            failure = telling.exception()
            if failure is not None:
                telemetry.log.error("a job's watcher is sent away", exc_info=failure)
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the client was first
                await socket.close(_ALL_TOLD if failure is None else _FAILED)
    finally:
        for task in (listening, telling):
            task.cancel()
        await asyncio.gather(listening, telling, return_exceptions=True)


async def _number(socket: WebSocket, messages: AsyncIterator[dict[str, Any] | None]) -> None:
    sequence, heard = 0, now()
    with contextlib.suppress(WebSocketDisconnect):
        async for message in messages:
            if message is not None:
                await socket.send_json(message | {"seq": sequence})
                sequence += 1
            elif (now() - heard).total_seconds() >= _PING_SECONDS:
                await socket.send_json({"type": "ping"})
            else:
                continue
            heard = now()


async def _until_gone(socket: WebSocket) -> None:
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.receive_text()  # pongs, and whatever else a client says


async def _states(watch: watching.Watch) -> AsyncIterator[dict[str, Any] | None]:
    first = True
    async for seen in watch.states():
        if seen is None:
            yield None
            continue
        word = seen.status if first or seen.status != "failed" else "error"
        data: dict[str, Any] = {"buffered": True} if first else {}
        if seen.best_score is not None:
            data["best_score"] = seen.best_score
        if seen.error is not None:
            data["error"] = seen.error
        if seen.status == "running":
            data["progress"] = seen.progress
        yield {"type": "status_update", "status": word, "data": data}
        first = False


async def _lines(watch: watching.Watch) -> AsyncIterator[dict[str, Any] | None]:
    async for told in watch.lines():
        if told is None:
            yield None
            continue
        line, is_past = told
        yield _line(line) | {"buffered": True} if is_past else _line(line)


def _line(line: LogLine) -> dict[str, Any]:
    moment = line.ins_datetime.isoformat().replace("+00:00", "Z")
    return {"type": "log", "message": line.contents, "timestamp": moment}
