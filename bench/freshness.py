"""From an answered interaction to a changed recommendation, through the whole platform.

`python -m bench.freshness` starts the stack, lets a model train by itself, and then, for one user
after the other, records a purchase of the best recommended item and asks until the item is gone:
on a quiet stack, and while other interactions keep arriving in batches. The floor is what Kafka
takes to bring a record from a producer that waits for it to a consumer, on the same broker.
"""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import NewTopic

from bench import pace, table
from chassis import topics
from tests.e2e.conftest import registered
from tests.running import RunningStack, until

USERS, ITEMS, TASTES = 200, 200, 4
BATCH, BATCHES_A_SECOND = 100, 5
ROUNDS = pace.rounds(3)
ASKED = pace.count(USERS)
TOPIC = "bench.floor"

Delays = list[list[float]]


def interaction(draw: Random, user: int) -> dict[str, Any]:
    """Return a purchase that fits the user's taste."""
    item = draw.randrange(ITEMS // TASTES) * TASTES + user % TASTES
    return {"userId": f"user-{user}", "itemId": f"item-{item}", "interactionType": "purchase"}


def record(client: httpx.Client, draw: Random, number: int, *, prefix: str = "") -> None:
    """Record some interactions at once."""
    rows = [interaction(draw, draw.randrange(USERS)) for _ in range(number)]
    named = [row | {"userId": prefix + row["userId"]} for row in rows]
    client.post("/api/v1/interactions/batch", json={"interactions": named}).raise_for_status()


def recommended(client: httpx.Client, user: str) -> list[str]:
    """Return the items that are recommended to a user now."""
    answer = client.post("/api/v1/recommend", json={"userId": user, "count": 3})
    return [row["itemId"] for row in answer.raise_for_status().json()]


def delay(client: httpx.Client, user: str) -> float:
    """Return the milliseconds from an interaction's 201 to the first answer that knows of it."""
    [best, *_others] = recommended(client, user)
    body = {"userId": user, "itemId": best, "interactionType": "purchase"}
    client.post("/api/v1/interactions", json=body).raise_for_status()
    answered = time.perf_counter()
    while best in recommended(client, user):
        pass
    return 1000 * (time.perf_counter() - answered)


def delays(client: httpx.Client) -> list[float]:
    """Return the delays of the users, one after the other."""
    return [delay(client, f"user-{user}") for user in range(ASKED)]


async def carried(kafka: str) -> list[float]:
    """Return the milliseconds that Kafka takes from a producer to a consumer, record by record."""
    await topics.ensure(kafka, [NewTopic(TOPIC, 1, 1)])
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    consumer = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=kafka, fetch_max_wait_ms=500, isolation_level="read_committed"
    )
    await producer.start()
    await consumer.start()
    await consumer.seek_to_end()
    taken = []
    for number in range(ASKED):
        started = time.perf_counter()
        await producer.send(TOPIC, b"%d" % number)
        await consumer.getone()
        taken.append(1000 * (time.perf_counter() - started))
    await consumer.stop()
    await producer.stop()
    return taken


@contextmanager
def crowd(client: httpx.Client) -> Iterator[None]:
    """Let others' interactions arrive for as long as the block lasts."""
    over = threading.Event()
    draw = Random(2)  # noqa: S311

    def come() -> None:
        while not over.wait(1 / BATCHES_A_SECOND):
            record(client, draw, BATCH, prefix="other-")

    others = threading.Thread(target=come)
    others.start()
    try:
        yield
    finally:
        over.set()
        others.join()


def has_model(client: httpx.Client) -> bool:
    """Tell whether a model answers."""
    answer = client.post("/api/v1/recommend", json={"userId": "user-0", "count": 3})
    return bool(answer.headers.get("Millrace-Model", "popularity") != "popularity")


def measure(stack: RunningStack, client: httpx.Client) -> dict[str, Delays]:
    """Take turns and return the delays of each round."""
    floor, quiet, crowded = [], [], []
    for _round in range(ROUNDS):
        floor.append(asyncio.run(carried(stack.kafka)))
        quiet.append(delays(client))
        with crowd(client):
            crowded.append(delays(client))
    beside = f"{BATCH * BATCHES_A_SECOND} interactions/s beside it"
    return {"bare Kafka": floor, "quiet": quiet, beside: crowded}


def tell(found: dict[str, Delays]) -> None:
    """Print medians of the rounds, beside the floor."""

    def middle(rounds: Delays, share: float) -> float:
        return table.median(_percentile(each, share) for each in rounds)

    floor = middle(found["bare Kafka"], 0.5)
    rows = [
        (
            name,
            *(table.ms(middle(rounds, share)) for share in (0.5, 0.99, 1)),
            table.ratio(middle(rounds, 0.5) / floor),
        )
        for name, rounds in found.items()
    ]
    table.show(("interaction to next answer", "p50", "p99", "slowest", "p50 of the floor"), rows)


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> None:
    """Run the benchmark."""
    with RunningStack.elsewhere() as stack:
        try:
            stack.start()
            client = registered(stack.base_url).key_client
            draw = Random(1)  # noqa: S311
            for _ in range(4):
                record(client, draw, 1000)
            until(lambda: has_model(client), within=180)
            tell(measure(stack, client))
        finally:
            stack.stop()


if __name__ == "__main__":
    main()
