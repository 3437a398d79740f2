"""Data comes in through three doors: CSV uploads, HTTP, and a plain Kafka producer."""

import asyncio
import csv
import io
import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from demo.client import Unexpected, eventually
from demo.dataset import Interaction
from demo.stage import Stage

_BATCH = 500
_SINGLE = 50


async def load(stage: Stage) -> None:
    """Load the catalogue, a training file, and the interactions."""
    await _upload_items(stage)
    await _upload_training_data(stage)
    history = stage.split.train
    single = history[-_SINGLE:]
    batched = history[-_SINGLE - 4 * _BATCH : -_SINGLE]
    streamed = history[: len(history) - len(single) - len(batched)]
    await _stream(stage, streamed)
    await _send_batches(stage, batched)
    await _send_singles(stage, single)
    await _wait_until_kept(stage, len(history))


async def _upload_items(stage: Stage) -> None:
    columns = sorted({name for item in stage.dataset.items.values() for name in item})
    rows = [
        [item, *(members.get(name, "") for name in columns)]
        for item, members in stage.dataset.items.items()
    ]
    text = _csv(["item_id", *columns], rows)
    await _upload(stage, "item_meta_data", "items.csv", text)

    async def listed() -> Any:
        total = (await stage.back_end.call("GET", "/api/items?pageSize=1"))["total"]
        return total if total >= len(rows) else None

    await eventually(listed, "the catalogue")
    stage.say(f"{len(rows):,} items uploaded as CSV and searchable")


async def _upload_training_data(stage: Stage) -> None:
    rows = [[each.user, each.item, each.at.isoformat()] for each in stage.split.train]
    text = _csv(["user_id", "item_id", "timestamp"], rows)
    made = await _upload(stage, "training_data", "history.csv", text)
    stage.models["data"] = made["id"]
    stage.say(f"{len(rows):,} rows uploaded as a training file ({len(text) / 1e6:.1f} MB)")


async def _upload(stage: Stage, path: str, name: str, text: str) -> dict[str, Any]:
    answer: dict[str, Any] = await stage.back_end.call(
        "POST",
        f"/api/v1/{path}/",
        data={"project": str(stage.back_end.project)},
        files={"file": (name, text.encode(), "text/csv")},
    )
    return answer


async def _stream(stage: Stage, interactions: Sequence[Interaction]) -> None:
    """Write to the tenant's own topic, as any Kafka client in any language would."""
    door = await stage.back_end.call("GET", "/api/v1/ingest")
    started = time.perf_counter()
    try:
        await _produce(door["bootstrap_servers"], door["interactions_topic"], interactions)
    except KafkaError as error:
        raise Unexpected(f"writing to {door['interactions_topic']}: {error!r}") from error
    seconds = time.perf_counter() - started
    stage.say(
        f"{len(interactions):,} interactions written to Kafka by a plain producer ({seconds:.1f} s)"
    )


async def _produce(servers: str, topic: str, interactions: Sequence[Interaction]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers, linger_ms=20)
    await producer.start()
    try:
        sent = [
            await producer.send(
                topic, key=each.user.encode(), value=json.dumps(record(each)).encode()
            )
            for each in interactions
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def _send_batches(stage: Stage, interactions: Sequence[Interaction]) -> None:
    for start in range(0, len(interactions), _BATCH):
        body = {"interactions": [record(each) for each in interactions[start : start + _BATCH]]}
        await stage.back_end.call("POST", "/api/v1/interactions/batch", json=body)
    stage.say(f"{len(interactions):,} interactions sent by HTTP in batches of {_BATCH}")


async def _send_singles(stage: Stage, interactions: Sequence[Interaction]) -> None:
    for each in interactions:
        await stage.back_end.call("POST", "/api/v1/interactions", json=record(each))
    stage.say(f"{len(interactions):,} interactions sent by HTTP one by one")


async def _wait_until_kept(stage: Stage, total: int) -> None:
    """Wait for the last interaction, however slow the machine, as long as there is progress."""
    started = time.perf_counter()
    seen = -1
    while seen < total:
        before = seen

        async def moved(before: int = before) -> int | None:
            now = await _seen(stage)
            return now if now > before else None

        seen = await eventually(moved, f"interaction {before + 1:,} of {total:,}", seconds=60)
    waited = time.perf_counter() - started
    stage.say(f"all {total:,} kept and replicated to training, {waited:.1f} s after the last call")


async def _seen(stage: Stage) -> int:
    algorithms = await stage.back_end.admin("GET", "/api/v1/algorithms")
    listed = algorithms["data"] if isinstance(algorithms, dict) else algorithms
    return max(int(each["interactions_known"]) for each in listed)


def record(each: Interaction) -> dict[str, Any]:
    """Return an interaction as the HTTP API and the topic spell it."""
    members = {
        "userId": each.user,
        "itemId": each.item,
        "interactionType": each.kind,
        "value": each.value,
        "sessionId": each.session,
        "timestamp": each.at.isoformat(),
    }
    return {name: value for name, value in members.items() if value is not None}


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
