"""Recommendations of one process: throughput and latency at 1, 8 and 32 connections.

`python -m bench.recommend` asks a model of the shape of MovieLens 100K for ten items with their
explanations. Every answer is announced on Kafka. `new` users have just done something, so that
nothing about their answer can be remembered; `returning` ones have not.
"""

import asyncio
import random

from bench import load
from bench.inference_rig import USERS, Rig, columns, interactions, ratings, rig
from training import learners

SECONDS = 6.0


def returning(turn: int) -> bytes:
    """Return a request that is asked again and again in the same words."""
    return load.as_json(userId=f"user-{turn % USERS}", count=10)


def new(turn: int) -> bytes:
    """Return a request that is hardly ever asked twice in a row for the same user."""
    return load.as_json(userId=f"user-{turn % USERS}", count=random.randint(8, 12))  # noqa: S311


async def measure(running: Rig) -> None:
    """Train, announce, wait, measure, print."""
    pairs = ratings()
    order = learners.LearningOrder(learner="DenseSLIMRecommender", measure=False)
    with running.trained(order, columns(pairs)) as (folder, manifest):
        announcement = await running.store(folder, manifest, model_id=1)
    await running.publish([*interactions(pairs), announcement])
    await running.until_ready()
    for name, body in (("returning users", returning), ("changing requests", new)):
        for connections in (1, 8, 32):
            report = await load.run(
                running.port,
                "/api/v1/recommend",
                token=running.token(),
                body=body,
                connections=connections,
                seconds=SECONDS,
            )
            print(report.line(f"{name}, {connections} connections"), flush=True)


def main() -> None:
    """Run the benchmark."""
    with rig() as running:
        asyncio.run(measure(running))


if __name__ == "__main__":
    main()
