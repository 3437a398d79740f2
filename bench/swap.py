"""A swap under load: what the clients of a model notice when a new version of 100 MB takes over.

`python -m bench.swap` measures some quiet seconds first, then announces the new version while the
load goes on, and tells failures, the slowest answer and the order of the versions in the answers.
"""

import asyncio
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import load
from bench.inference_rig import USERS, Rig, columns, interactions, ratings, rig
from contracts.artefact import Manifest
from contracts.models import ModelReady
from training import learners

CONNECTIONS = 8
QUIET, LOADED = 8.0, 12.0
#: Weights of 5000 x 5000 in float32 are 100 MB.
ITEMS = 5000


def body(turn: int) -> bytes:
    """Return a request."""
    return load.as_json(userId=f"user-{turn % USERS}", count=10)


async def announcements(running: Rig) -> tuple[ModelReady, ModelReady]:
    """Train one model and keep it twice, as two versions."""
    pairs = ratings(items=ITEMS)
    order = learners.LearningOrder(learner="DenseSLIMRecommender", measure=False)
    with running.trained(order, columns(pairs)) as (folder, manifest):
        first = await running.store(folder, manifest, model_id=1)
        with TemporaryDirectory() as other:
            again = _again(folder, manifest, running, Path(other))
            second = await running.store(Path(other), again, model_id=2)
    print(f"the artefact has {manifest.size / 1e6:.0f} MB")
    await running.publish([*interactions(pairs), first])
    return first, second


def _again(folder: Path, manifest: Manifest, running: Rig, target: Path) -> Manifest:
    files = {name: (folder / name).read_bytes() for name in manifest.files}
    renamed = manifest.model_copy(update={"seed": manifest.seed + 1})
    return learners.write_files(renamed, files, target, signer=running.signer())


async def loaded(running: Rig, seconds: float) -> load.Report:
    """Put the service under load."""
    return await load.run(
        running.port,
        "/api/v1/recommend",
        token=running.token(),
        body=body,
        connections=CONNECTIONS,
        seconds=seconds,
        header="Millrace-Model",
    )


async def measure(running: Rig) -> None:
    """Measure without and with a swap, and print both."""
    _first, second = await announcements(running)
    await running.until_ready()
    quiet = await loaded(running, QUIET)
    print(quiet.line("without a swap"), flush=True)
    swapping = asyncio.create_task(loaded(running, LOADED))
    await asyncio.sleep(LOADED / 4)
    await running.publish([second])
    report = await swapping
    print(report.line("with a swap"), flush=True)
    versions = [version for _moment, version in sorted(report.seen)]
    changes = sum(one != other for one, other in pairwise(versions))
    print(f"versions seen: {sorted(set(versions))}, changes: {changes}")


def main() -> None:
    """Run the benchmark."""
    with rig() as running:
        asyncio.run(measure(running))


if __name__ == "__main__":
    main()
