"""Inference as a process of its own: it swaps under load, refuses, and survives its own death."""

import asyncio
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaConsumer

from bench import load
from bench.inference_rig import TENANT, Rig, columns, interactions, rig_on
from chassis.blobs import open_blobs
from contracts.artefact import ARRAYS_NAME
from contracts.models import ModelReady
from contracts.serving import Served
from contracts.topics import MODEL_READY, SERVINGS
from inference.operations.patience import wait_until
from training import learners

USERS = 20
#: Even users like even items, odd ones odd items.
PAIRS = [
    (f"user-{user}", f"item-{item}")
    for user in range(USERS)
    for item in range(user % 2, 30, 2)
    if (user * 7 + item) % 5
]


def body(turn: int) -> bytes:
    return load.as_json(userId=f"user-{turn % USERS}", count=3)


@pytest.fixture(scope="module")
def running(kafka: str) -> Iterator[Rig]:
    with rig_on(kafka) as running:
        yield running


async def trained(running: Rig, model_id: int) -> ModelReady:
    order = learners.LearningOrder(learner="DenseSLIMRecommender", seed=model_id, measure=False)
    with running.trained(order, columns(PAIRS)) as (folder, manifest):
        return await running.store(folder, manifest, model_id=model_id)


async def ask(
    running: Rig,
    *,
    seconds: float,
    header: str,
    connections: int = 1,
    report: load.Report | None = None,
) -> load.Report:
    return await load.run(
        running.port,
        "/api/v1/recommend",
        token=running.token(),
        body=body,
        connections=connections,
        seconds=seconds,
        header=header,
        report=report,
    )


async def versions(running: Rig, *, until: str, within: float = 30.0) -> list[str]:
    """Ask as one client until a version answers; return the different ones in their order."""
    seen: dict[str, None] = {}
    async with asyncio.timeout(within):
        while until not in seen:
            report = await ask(running, seconds=0.2, header="Millrace-Model")
            assert report.failures == 0
            seen |= dict.fromkeys(version for _moment, version in report.seen)
    return list(seen)


async def read(kafka: str, topic: str, *, until: set[str]) -> dict[str, bytes]:
    """Return the records of a topic by event id, once all the wanted ones are there."""
    found: dict[str, bytes] = {}
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            while not until <= found.keys():
                record = await consumer.getone()
                found[dict(record.headers)["millrace-event-id"].decode()] = record.value
    finally:
        await consumer.stop()
    return found


async def test_models_swap_under_load_and_a_bad_one_is_refused(running: Rig, kafka: str) -> None:
    await running.publish([*interactions(PAIRS), await trained(running, 1)])
    await running.until_ready()
    await versions(running, until="collaborative-1")

    second = await trained(running, 2)
    asking = asyncio.create_task(versions(running, until="collaborative-2"))
    await running.publish([second])
    assert await asking in (["collaborative-1", "collaborative-2"], ["collaborative-2"])

    third = await trained(running, 3)
    async with open_blobs(running.settings.blobs()) as blobs:
        await blobs.put(f"{TENANT}/models/3/{ARRAYS_NAME}", b"altered")
    await running.publish([third])
    dead = await read(kafka, MODEL_READY.dead, until={"refused:3"})

    assert ModelReady.model_validate_json(dead["refused:3"]).metrics["refused"]
    report = await ask(running, seconds=0.5, header="Millrace-Model")
    assert {version for _moment, version in report.seen} == {"collaborative-2"}


async def test_a_killed_process_has_announced_what_it_answered_and_catches_up(
    running: Rig, kafka: str
) -> None:
    report = load.Report()
    asking = asyncio.create_task(
        ask(running, seconds=20, header="Millrace-Request", connections=4, report=report)
    )
    assert await wait_until(lambda: len(report.seen) > 200, seconds=20)
    running.kill()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asking
    answered = {request for _moment, request in report.seen}
    await running.publish([await trained(running, 4)])

    running.start()
    await running.until_ready()

    report = await ask(running, seconds=0.5, header="Millrace-Model")
    assert {version for _moment, version in report.seen} == {"collaborative-4"}
    announced = await read(kafka, SERVINGS.name, until=answered)
    assert all(Served.model_validate_json(value).centiunits == 100 for value in announced.values())
