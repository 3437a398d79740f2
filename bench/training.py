"""What the platform adds to a training: the bare library call, a fresh process of it, and a job.

`python -m bench.training` learns the same data with the same parameters in three ways: by calling
the engine in this process, in a process of its own (as anybody's script would), and as a job of the
training service with its lease, reports, signature, upload and registration. They take turns.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from chassis.blobs import open_blobs
from chassis.ids import new_uid
from chassis.testing import write_keys
from training import learners
from training.app import build
from training.domain.jobs import Job, Kind
from training.operations import jobs
from training.operations.runner import Runner
from training.settings import TrainingSettings
from training.store import jobs as store

USERS, ITEMS, ROWS, TURNS = 943, 1682, 100_000, 3
LEARNER = "DenseSLIMRecommender"
TENANT = new_uid()

_SCRIPT = """
import os, sys
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
import pyarrow.parquet as pq
from training import learners
rows = learners.Interactions.from_table(pq.read_table(sys.argv[1]), user="u", item="i", time="t")
learners.learn(learners.LearningOrder(sys.argv[2]), rows)
"""


def table() -> pa.Table:
    """Return interactions of the shape of MovieLens 100K: few items have most of them."""
    draw = np.random.default_rng(7)
    popularity = 1.0 / np.arange(1, ITEMS + 1)
    items = draw.choice(ITEMS, size=ROWS, p=popularity / popularity.sum())
    users = draw.integers(0, USERS, size=ROWS)
    times = pa.array(np.arange(ROWS) * 1_000_000, pa.timestamp("us", tz="UTC"))
    return pa.table({"u": users.astype(str), "i": items.astype(str), "t": times})


def bare(rows: pa.Table) -> float:
    """Return the seconds of the library call alone."""
    started = time.perf_counter()
    known = learners.Interactions.from_table(rows, user="u", item="i", time="t")
    learners.learn(learners.LearningOrder(LEARNER), known)
    return time.perf_counter() - started


def script(path: Path) -> float:
    """Return the seconds of a process that imports the library, reads the table and calls it."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", _SCRIPT, str(path), LEARNER], check=True)  # noqa: S603
    return time.perf_counter() - started


class Platform:
    """The training service without a broker: its database, its runner, its workers."""

    def __init__(self, settings: TrainingSettings) -> None:
        """Wire the service as it wires itself."""
        service = build(settings)
        self.database = service.database
        self.runner: Runner = service.state["runner"]

    async def trained(self, data: dict[str, Any]) -> float:
        """Return the seconds from the request to the end of a job."""
        order = {"learner": LEARNER, "parameters": {}, "model_uid": new_uid(), "data": data}
        started = time.perf_counter()
        async with self.database.transaction(tenant_id=TENANT) as tx:
            job = await jobs.request(tx, Kind.TRAIN, order)
            tx.after_commit(self.runner.wake)
        while not (await self._now(job)).is_over:  # noqa: ASYNC110 - other processes work
            await asyncio.sleep(0.01)
        took = time.perf_counter() - started
        if (ended := await self._now(job)).state != "completed":
            raise RuntimeError(ended.error)
        return took

    async def _now(self, job: Job) -> Job:
        async with self.database.transaction(tenant_id=TENANT, write=False) as tx:
            found = await store.get(tx, job.uid)
        if found is None:
            raise LookupError(job.uid)
        return found


async def measure(home: Path) -> dict[str, list[float]]:
    """Take turns and return the seconds of each."""
    settings = TrainingSettings()
    rows, path = table(), home / "rows.parquet"
    pq.write_table(rows, path)
    blob = await open_blobs(settings.blobs()).put(f"{TENANT}/rows.parquet", path)
    data = {"key": blob.key, "digest": blob.digest, "user": "u", "item": "i", "time": "t"}
    platform = Platform(settings)
    await platform.database.create_all()
    running = asyncio.create_task(platform.runner.run())
    took: dict[str, list[float]] = {"bare call": [], "fresh process": [], "job": []}
    for _turn in range(TURNS):
        took["bare call"].append(await asyncio.to_thread(bare, rows))
        took["fresh process"].append(await asyncio.to_thread(script, path))
        took["job"].append(await platform.trained(data))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await platform.database.close()
    return took


def main() -> None:
    """Run the benchmark and print the times with their ratio to a fresh process."""
    with tempfile.TemporaryDirectory() as name:
        os.environ["MILLRACE_HOME"] = name
        write_keys(Path(name) / "keys")
        took = asyncio.run(measure(Path(name)))
    floor = min(took["fresh process"])
    print(f"{LEARNER} on {ROWS} interactions, measured and learnt, best and median of {TURNS}")
    for way, seconds in took.items():
        best, median = min(seconds), statistics.median(seconds)
        print(f"{way:15} {best:6.2f} s {median:6.2f} s   {best / floor:5.2f} of a fresh process")


if __name__ == "__main__":
    main()
