"""Recommendations of one process: throughput and latency at 1, 8 and 32 connections.

`python -m bench.recommend` asks for ten items with their reasons, of a model of MovieLens 100K if
MILLRACE_ML100K names its folder, and of data of its shape otherwise. Every answer is announced on
Kafka. `changing` requests ask for one of five numbers, of which an unchanged user's last two
answers are remembered, so that most have to be computed; `returning` ones always ask for the same.
The floors: the scorer called bare in this process, and an ASGI application that answers as many
bytes at once. The load comes from wrk where it is on the PATH, else from this process, which takes
its part of the two cores.
"""

import asyncio
import os
import random
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench import load, pace, table, wrk
from bench.gateway_rig import command_of
from bench.inference_rig import Rig, columns, interactions, known, rig
from contracts.artefact import Manifest
from embedded import ports
from inference import scorers
from training import learners

SECONDS = pace.seconds(5.0)
ROUNDS = pace.rounds(3)
CONNECTIONS = (1, 8, 32)
COUNT = 10
#: Requests that wrk sends over and over: each user comes some twenty times.
BODIES = 20_000
PATH = "/api/v1/recommend"
#: Wanted of one process at 8 connections: answers a second, and milliseconds of the p99.
AIM_RATE, AIM_P99 = 1500, 25.0

Way = tuple[str, int]


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """Read the request and answer as many bytes as inference would."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    answer = os.environb[b"BENCH_ANSWER"]
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


@contextmanager
def bare_server(answer: bytes) -> Iterator[int]:
    """Serve always the same answer; yield the port."""
    [port] = ports.choose(1)
    environment = {**os.environ, "BENCH_ANSWER": answer.decode()}
    process = subprocess.Popen(command_of("bench.recommend:bare", port), env=environment)  # noqa: S603
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


class Bodies:
    """Requests of these users, one after the other."""

    def __init__(self, users: Sequence[str]) -> None:
        """Ask for these users."""
        self._users = users

    def returning(self, turn: int) -> bytes:
        """Return a request that is asked again and again in the same words."""
        return load.as_json(userId=self._users[turn % len(self._users)], count=COUNT)

    def changing(self, turn: int) -> bytes:
        """Return a request that asks for a number of items drawn by chance."""
        count = random.randint(COUNT - 2, COUNT + 2)  # noqa: S311
        return load.as_json(userId=self._users[turn % len(self._users)], count=count)


def scored(folder: Path, manifest: Manifest, running: Rig, users: Sequence[str]) -> float:
    """Return how many answers a second the scorer gives when nothing is around it."""
    public = running.signer().public_key()
    scorer = scorers.load(folder, public_keys=[public], expected_digest=manifest.digest)
    histories = [scorer.read(scorer.trained_history(user)) for user in users]
    answered, until = 0, time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        history = histories[answered % len(users)]
        ranking = scorer.recommend(history, k=COUNT)
        scorer.contributions(history, ranking)
        answered += 1
    return answered / SECONDS


async def one(running: Rig, port: int, body: load.Body, connections: int) -> wrk.Figures:
    """Load one of the ways."""
    if wrk.is_here():
        return await asyncio.to_thread(
            wrk.run,
            port,
            PATH,
            token=running.token(),
            bodies=[body(turn) for turn in range(BODIES)],
            connections=connections,
            seconds=SECONDS,
        )
    token = running.token()
    report = await load.run(
        port, PATH, token=token, body=body, connections=connections, seconds=SECONDS
    )
    p50, p99 = report.percentile(0.5), report.percentile(0.99)
    return wrk.Figures(report.rate, p50, p99, report.failures)


async def prepare(running: Rig, pairs: Sequence[tuple[str, str]]) -> float:
    """Train, measure the bare scorer, announce, wait; return the scorer's answers a second."""
    order = learners.LearningOrder(learner="DenseSLIMRecommender", measure=False)
    with running.trained(order, columns(pairs)) as (folder, manifest):
        users = sorted({user for user, _item in pairs})
        floor = table.median(scored(folder, manifest, running, users) for _ in range(ROUNDS))
        announcement = await running.store(folder, manifest, model_id=1)
    await running.publish([*interactions(pairs), announcement])
    await running.until_ready()
    return floor


async def measure(running: Rig) -> None:
    """Take turns, and print."""
    name, pairs = known()
    floor = await prepare(running, pairs)
    bodies = Bodies(sorted({user for user, _item in pairs}))
    found: Mapping[Way, list[wrk.Figures]] = defaultdict(list)
    with bare_server(await _answer(running, bodies)) as port:
        await _until_open(port)
        ways = {
            "bare ASGI, the same bytes": (port, bodies.returning),
            "returning": (running.port, bodies.returning),
            "changing": (running.port, bodies.changing),
        }
        for _round in range(ROUNDS):
            for connections in CONNECTIONS:
                for way, (where, what) in ways.items():
                    report = await one(running, where, what, connections)
                    found[way, connections].append(report)
    print(f"Learnt from {name}; the scorer alone, called with reasons: {table.rate(floor)}.\n")
    tell(found, scorer=floor)


def tell(found: Mapping[Way, Sequence[wrk.Figures]], *, scorer: float) -> None:
    """Print medians, beside the floors."""
    rows = []
    for (way, connections), reports in found.items():
        rate = table.median(each.rate for each in reports)
        empty = table.median(each.rate for each in found["bare ASGI, the same bytes", connections])
        rows.append(
            (
                way,
                str(connections),
                table.rate(rate),
                table.ms(table.median(each.p50 for each in reports)),
                table.ms(table.median(each.p99 for each in reports)),
                str(sum(each.failures for each in reports)),
                table.ratio(rate / empty),
                table.ratio(rate / scorer),
            )
        )
    head = ("requests", "connections", "answers", "p50", "p99", "failed")
    table.show((*head, "of bare ASGI", "of the scorer"), rows)
    for way in ("returning", "changing"):
        rate = table.median(each.rate for each in found[way, 8])
        late = table.median(each.p99 for each in found[way, 8])
        table.aim(
            f"At 8 connections, {way}, {AIM_RATE:,}/s and a p99 below {AIM_P99:.0f} ms",
            f"{table.rate(rate)}, {table.ms(late)}",
            met=rate >= AIM_RATE and late < AIM_P99,
        )


async def _answer(running: Rig, bodies: Bodies) -> bytes:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}") as client:
        headers = {"Millrace-Assertion": running.token(), "Content-Type": "application/json"}
        answer = await client.post(PATH, content=bodies.returning(0), headers=headers)
        return answer.raise_for_status().content


async def _until_open(port: int) -> None:
    deadline = time.monotonic() + 30
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        while time.monotonic() < deadline:
            try:
                (await client.post(PATH, content=b"{}")).raise_for_status()
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return
    raise TimeoutError("the bare server did not start")


def main() -> None:
    """Run the benchmark."""
    with rig() as running:
        asyncio.run(measure(running))


if __name__ == "__main__":
    main()
