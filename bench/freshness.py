"""From an answered interaction to a changed recommendation, through the whole platform.

`python -m bench.freshness` starts the stack, lets a model train by itself, and then, for one user
after the other, records a purchase of the best recommended item and asks until the item is gone:
once on a quiet stack, once while other interactions keep arriving in batches.
"""

import threading
import time
from random import Random
from typing import Any

import httpx

from tests.e2e.conftest import registered
from tests.running import RunningStack, until

USERS, ITEMS, TASTES = 200, 200, 4
BATCH, BATCHES_A_SECOND = 100, 5


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
    """Return the seconds from an interaction's 201 to the first answer that knows of it."""
    [best, *_others] = recommended(client, user)
    body = {"userId": user, "itemId": best, "interactionType": "purchase"}
    client.post("/api/v1/interactions", json=body).raise_for_status()
    answered = time.perf_counter()
    while best in recommended(client, user):
        pass
    return time.perf_counter() - answered


def measure(client: httpx.Client, name: str) -> None:
    """Measure every user once and print."""
    delays = sorted(1000 * delay(client, f"user-{user}") for user in range(USERS))
    p99 = delays[int(0.99 * len(delays))]
    print(
        f"{name:34} p50 {delays[len(delays) // 2]:7.1f} ms   p99 {p99:7.1f} ms   "
        f"max {delays[-1]:7.1f} ms",
        flush=True,
    )


def crowd(client: httpx.Client, over: threading.Event) -> None:
    """Let others' interactions arrive until it is over."""
    draw = Random(2)  # noqa: S311
    while not over.wait(1 / BATCHES_A_SECOND):
        record(client, draw, BATCH, prefix="other-")


def has_model(client: httpx.Client) -> bool:
    """Tell whether a model answers."""
    answer = client.post("/api/v1/recommend", json={"userId": "user-0", "count": 3})
    return bool(answer.headers.get("Millrace-Model", "popularity") != "popularity")


def main() -> None:
    """Run the benchmark."""
    with RunningStack.elsewhere() as stack:
        try:
            stack.start()
            tenant = registered(stack.base_url)
            client = tenant.key_client
            draw = Random(1)  # noqa: S311
            for _ in range(4):
                record(client, draw, 1000)
            until(lambda: has_model(client), within=180)
            measure(client, "quiet")
            over = threading.Event()
            others = threading.Thread(target=crowd, args=(client, over))
            others.start()
            measure(client, f"{BATCH * BATCHES_A_SECOND} interactions/s beside it")
            over.set()
            others.join()
        finally:
            stack.stop()


if __name__ == "__main__":
    main()
