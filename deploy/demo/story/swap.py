"""New weights while somebody keeps calling: nobody notices but for the version."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from demo.client import Unexpected, eventually
from demo.stage import Stage
from demo.story.models import train_algorithm

_CALLERS = 4
_PACE = 0.02  # a customer's: the demo shares its two cores


@dataclass
class _Calls:
    """What the callers saw."""

    milliseconds: list[float] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def note(self, answer: httpx.Response | None, seconds: float) -> None:
        """Note an answer; None is none at all."""
        self.milliseconds.append(seconds * 1000)
        if answer is None:
            self.failures.append("no answer")
        elif answer.status_code != 200:
            self.failures.append(f"{answer.status_code} {answer.text[:200]}")
        else:
            self.versions.append(answer.headers.get("millrace-model", "?"))


async def swap(stage: Stage) -> None:
    """Retrain an algorithm while clients call it without a pause, and count failures."""
    calls = _Calls()
    async with _calling(stage, calls):
        if await train_algorithm(stage, "collaborative"):
            await eventually(lambda: _both_seen(calls), "an answer by the new version", seconds=10)
        else:
            stage.say("so nothing is swapped: the data is too small or has no tastes in it")
    _report(stage, calls)


@asynccontextmanager
async def _calling(stage: Stage, calls: _Calls) -> AsyncIterator[None]:
    """Keep calling until the block ends, however it ends; every call is waited for."""
    over = asyncio.Event()
    callers = [
        asyncio.create_task(_keep_calling(stage, calls, number, over)) for number in range(_CALLERS)
    ]
    try:
        yield
        over.set()
        await asyncio.gather(*callers)
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)


async def _both_seen(calls: _Calls) -> bool:
    return len(set(calls.versions)) > 1


async def _keep_calling(stage: Stage, calls: _Calls, number: int, over: asyncio.Event) -> None:
    users = stage.dataset.users[number::_CALLERS] or stage.dataset.users
    turn = 0
    while not over.is_set():
        body = {"userId": users[turn % len(users)], "count": 10, "algorithm": "collaborative"}
        turn += 1
        started = time.perf_counter()
        answer = await stage.back_end.attempt("POST", "/api/v1/recommend", json=body)
        calls.note(answer, time.perf_counter() - started)
        await asyncio.sleep(_PACE)


def _report(stage: Stage, calls: _Calls) -> None:
    stage.say(
        f"{len(calls.milliseconds):,} calls while training and swapping: "
        f"[bold]{len(calls.failures)} failures[/bold], "
        f"median {statistics.median(calls.milliseconds):.0f} ms, "
        f"slowest {max(calls.milliseconds):.0f} ms"
    )
    versions = list(dict.fromkeys(calls.versions))
    stage.say(f"versions in the order they answered: {' → '.join(versions)}")
    if calls.failures:
        raise Unexpected(
            f"{len(calls.failures)} calls failed during the swap, the first: {calls.failures[0]}"
        )
