"""What the platform adds to a training: a script that calls the library, and a job.

`python -m bench.training` learns the same data with the same parameters in two ways: in a fresh
process that calls irspack as anybody's script would (read the table, split it, learn, judge, learn
from everything), and as a job of the training service, which does the same with its lease, reports,
proof, signature, upload and registration. They take turns; the script is the floor.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench import pace, table
from chassis.blobs import open_blobs
from chassis.ids import new_uid
from chassis.testing import write_keys
from training.app import build
from training.domain.jobs import Job, Kind
from training.operations import jobs
from training.operations.runner import Runner
from training.settings import TrainingSettings
from training.store import jobs as store

USERS, ITEMS, ROWS, ROUNDS = 943, 1682, 100_000, pace.rounds(5)
LEARNER = "IALSRecommender"
#: Both are told these; what is left open is the library's own choice in the script.
PARAMETERS = {
    "n_components": 64,
    "alpha0": 0.3,
    "reg": 0.003,
    "nu": 1.0,
    "solver_type": "CG",
    "max_cg_steps": 3,
    "loss_type": "IALSPP",
    "train_epochs": 16,
}
TENANT = new_uid()
#: A job may take so much of the script's time more, and so many seconds.
AIM_SHARE, AIM_SECONDS = 0.1, 1.0

_SCRIPT = """
import json, os, sys, warnings
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
warnings.simplefilter("ignore")
import numpy as np
import pyarrow.parquet as pq
from scipy.sparse import csr_matrix
from irspack import Evaluator, rowwise_train_test_split
from irspack.recommenders import IALSRecommender
rows = pq.read_table(sys.argv[1])
users, items = (np.unique(rows[name], return_inverse=True)[1] for name in ("u", "i"))
seen = csr_matrix((np.ones(len(users)), (users, items)))
seen.data[:] = 1
train, held_out = rowwise_train_test_split(seen, test_ratio=0.2, random_state=42)
def learn(known):
    model = IALSRecommender(known, n_threads=1, random_seed=42, **json.loads(sys.argv[2]))
    return model.learn()
Evaluator(held_out, cutoff=10, n_threads=1).get_score(learn(train))
learn(seen)
"""


def rows() -> pa.Table:
    """Return interactions of the shape of MovieLens 100K: few items have most of them."""
    draw = np.random.default_rng(7)
    popularity = 1.0 / np.arange(1, ITEMS + 1)
    items = draw.choice(ITEMS, size=ROWS, p=popularity / popularity.sum())
    users = draw.integers(0, USERS, size=ROWS)
    times = pa.array(np.arange(ROWS) * 1_000_000, pa.timestamp("us", tz="UTC"))
    return pa.table({"u": users.astype(str), "i": items.astype(str), "t": times})


def script(path: Path) -> float:
    """Return the seconds of a process that calls the library."""
    started = time.perf_counter()
    told = [str(path), json.dumps(PARAMETERS)]
    subprocess.run(  # noqa: S603
        [sys.executable, "-c", _SCRIPT, *told],
        stdout=subprocess.DEVNULL,  # irspack draws a bar
        check=True,
    )
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
        order = {"learner": LEARNER, "parameters": PARAMETERS, "model_uid": new_uid(), "data": data}
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


async def measure(home: Path) -> tuple[list[float], list[float]]:
    """Take turns and return the seconds of the script and of the job."""
    settings = TrainingSettings()
    path = home / "rows.parquet"
    pq.write_table(rows(), path)
    blob = await open_blobs(settings.blobs()).put(f"{TENANT}/rows.parquet", path)
    data = {"key": blob.key, "digest": blob.digest, "user": "u", "item": "i", "time": "t"}
    platform = Platform(settings)
    await platform.database.create_all()
    running = asyncio.create_task(platform.runner.run())
    scripts, trainings = [], []
    for _turn in range(ROUNDS):
        scripts.append(await asyncio.to_thread(script, path))
        trainings.append(await platform.trained(data))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await platform.database.close()
    return scripts, trainings


def tell(scripts: list[float], trainings: list[float]) -> None:
    """Print medians, and the difference beside what it may be."""
    floor, job = table.median(scripts), table.median(trainings)
    print(f"{LEARNER} on {ROWS:,} interactions, {ROUNDS} turns.\n")
    table.show(
        ("", "median", "quickest", "of the script"),
        [
            (name, f"{table.median(each):.2f} s", f"{min(each):.2f} s", table.ratio(middle / floor))
            for name, each, middle in (
                ("script that calls irspack", scripts, floor),
                ("job", trainings, job),
            )
        ],
    )
    allowed = AIM_SHARE * floor + AIM_SECONDS
    table.aim(
        f"Job less script at most {AIM_SHARE:.0%} of the script + {AIM_SECONDS:.0f} s",
        f"{job - floor:.2f} s of {allowed:.2f} s",
        met=job - floor <= allowed,
    )


def main() -> None:
    """Run the benchmark."""
    with tempfile.TemporaryDirectory() as name:
        os.environ["MILLRACE_HOME"] = name
        write_keys(Path(name) / "keys")
        tell(*asyncio.run(measure(Path(name))))


if __name__ == "__main__":
    main()
