"""New weights while somebody keeps calling: nobody notices but for the version."""

import asyncio
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field

from demo.client import eventually
from demo.stage import Stage
from demo.story.models import train_algorithm

_CALLERS = 4


@dataclass
class _Calls:
    """What the callers saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    over: bool = False


async def swap(stage: Stage) -> None:
    """Retrain an algorithm while clients call it without a pause, and count failures."""
    calls = _Calls()
    callers = [asyncio.create_task(_keep_calling(stage, calls, n)) for n in range(_CALLERS)]
    await train_algorithm(stage, "collaborative")
    await eventually(lambda: _both_seen(calls), "an answer by the new version", seconds=10)
    calls.over = True
    await asyncio.gather(*callers)
    _report(stage, calls)


async def _both_seen(calls: _Calls) -> bool:
    return len(set(calls.versions)) > 1


async def _keep_calling(stage: Stage, calls: _Calls, number: int) -> None:
    users = stage.dataset.users[number::_CALLERS]
    turn = 0
    while not calls.over:
        body = {"userId": users[turn % len(users)], "count": 10, "algorithm": "collaborative"}
        turn += 1
        started = time.perf_counter()
        try:
            answer = await stage.back_end.answer("POST", "/api/v1/recommend", json=body)
        except Exception as error:
            calls.statuses[getattr(error, "status", 0)] += 1
            stage.say(f"[red]{error}[/red]")
            continue
        calls.statuses[answer.status_code] += 1
        calls.milliseconds.append((time.perf_counter() - started) * 1000)
        calls.versions.append(answer.headers.get("millrace-model", "?"))
        await asyncio.sleep(0.02)  # a customer's pace: the demo shares its two cores


def _report(stage: Stage, calls: _Calls) -> None:
    failures = sum(count for status, count in calls.statuses.items() if status != 200)
    versions = list(dict.fromkeys(calls.versions))
    stage.say(
        f"{sum(calls.statuses.values()):,} calls while training and swapping: "
        f"[bold]{failures} failures[/bold], median {statistics.median(calls.milliseconds):.0f} ms, "
        f"slowest {max(calls.milliseconds):.0f} ms"
    )
    stage.say(f"versions in the order they answered: {' → '.join(versions)}")
    if failures:
        raise RuntimeError(f"{failures} calls failed during the swap")
