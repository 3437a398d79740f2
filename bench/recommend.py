"""Recommendations of one process: throughput and latency at 1, 8 and 32 connections.

`python -m bench.recommend` measures a model of the shape of MovieLens 100K with a user's whole
history folded in at each request, every answer announced on Kafka.
"""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import load
from bench.inference_rig import USERS, Rig, interactions, ratings, rig
from training import learners

SECONDS = 6.0


async def measure(running: Rig) -> None:
    """Train, announce, wait, measure, print."""
    pairs = ratings()
    known = learners.Interactions.from_columns(
        [user for user, _ in pairs],
        [item for _, item in pairs],
        [0.7] * len(pairs),
        [(1_700_000_000 + n) * 1_000_000 for n in range(len(pairs))],
    )
    order = learners.LearningOrder(learner="DenseSLIMRecommender", measure=False)
    model = learners.learn(order, known)
    with TemporaryDirectory() as folder:
        manifest = learners.write(model, Path(folder), signer=running.signer())
        announcement = await running.store(Path(folder), manifest, model_id=1)
    await running.publish([*interactions(pairs), announcement])
    await running.until_ready()
    for name, algorithm in (("recommend", "hybrid"),):
        for connections in (1, 8, 32):
            report = await load.run(
                running.port,
                "/api/v1/recommend",
                token=running.token(),
                body=lambda turn: load.as_json(
                    userId=f"user-{turn % USERS}", count=10, algorithm=algorithm
                ),
                connections=connections,
                seconds=SECONDS,
            )
            print(report.line(f"{name}, {connections} connections"), flush=True)


def main() -> None:
    """Run the benchmark."""
    with rig() as running:
        try:
            asyncio.run(measure(running))
        finally:
            print((running.home / "inference.log").read_text()[-3000:])


if __name__ == "__main__":
    main()
