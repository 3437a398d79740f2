"""A swap under load: what the clients of a model notice when a new version of 100 MB takes over.

`python -m bench.swap` takes turns: some quiet seconds, then some in which a new version is
announced. The floor is the quiet run before each swap. The generator's own clock tells for how long
it did not run itself; the slowest answer of the service is without that.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import load, pace, table
from bench.inference_rig import USERS, Rig, columns, interactions, ratings, rig
from contracts.artefact import Manifest
from contracts.models import ModelReady
from training import learners

CONNECTIONS = 8
ROUNDS = pace.rounds(5)
QUIET, LOADED = 8.0, 8.0
if pace.QUICK:
    QUIET, LOADED = 3.0, 4.0
#: Weights of 5000 x 5000 in float32 are 100 MB.
ITEMS = 5000
#: No answer may be slower than so many times the usual p99.
AIM = 3.0


@dataclass(frozen=True)
class Round:
    """A quiet run, and one with a swap: when it was announced, and what came of it."""

    quiet: load.Report
    swapped: load.Report
    announced: float

    @property
    def versions(self) -> list[str]:
        """Return the versions in the order in which they answered."""
        named = [version for _moment, version in sorted(self.swapped.seen)]
        return named[:1] + [after for before, after in pairwise(named) if after != before]

    @property
    def until_swapped(self) -> float:
        """Return the seconds from the announcement to the first answer by the new version."""
        answers = sorted(self.swapped.seen)
        return (
            next((at for at, version in answers if version != answers[0][1]), float("inf"))
            - self.announced
        )


def body(turn: int) -> bytes:
    """Return a request."""
    return load.as_json(userId=f"user-{turn % USERS}", count=10)


async def announcements(running: Rig) -> Sequence[ModelReady]:
    """Train one model and keep it as many versions; announce the first."""
    pairs = ratings(items=ITEMS)
    order = learners.LearningOrder(learner="DenseSLIMRecommender", measure=False)
    with running.trained(order, columns(pairs)) as (folder, manifest):
        ready = [await running.store(folder, manifest, model_id=1)]
        for number in range(2, ROUNDS + 2):
            with TemporaryDirectory() as other:
                again = _again(folder, manifest, running, Path(other), number)
                ready.append(await running.store(Path(other), again, model_id=number))
    print(f"The artefact has {manifest.size / 1e6:.0f} MB.\n")
    await running.publish([*interactions(pairs), ready[0]])
    return ready


def _again(folder: Path, manifest: Manifest, running: Rig, target: Path, number: int) -> Manifest:
    files = {name: (folder / name).read_bytes() for name in manifest.files}
    renamed = manifest.model_copy(update={"seed": manifest.seed + number})
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


async def one_round(running: Rig, ready: ModelReady) -> Round:
    """Measure without and with a swap."""
    quiet = await loaded(running, QUIET)
    swapping = asyncio.create_task(loaded(running, LOADED))
    await asyncio.sleep(LOADED / 4)
    announced = time.perf_counter()
    await running.publish([ready])
    return Round(quiet, await swapping, announced)


def tell(found: Sequence[Round]) -> None:
    """Print medians, beside the quiet runs."""
    usual = table.median(each.quiet.percentile(0.99) for each in found)
    rows = []
    for name, reports in (
        ("without a swap", [each.quiet for each in found]),
        ("with a swap", [each.swapped for each in found]),
    ):
        slowest = table.median(each.percentile(1) for each in reports)
        of_service = table.median(each.slowest_of_service for each in reports)
        rows.append(
            (
                name,
                table.rate(table.median(each.rate for each in reports)),
                table.ms(table.median(each.percentile(0.5) for each in reports)),
                table.ms(table.median(each.percentile(0.99) for each in reports)),
                table.ms(slowest),
                table.ms(of_service),
                str(sum(each.failures for each in reports)),
                table.ratio(slowest / usual),
                table.ratio(of_service / usual),
            )
        )
    head = ("", "answers", "p50", "p99", "slowest", "by the service", "failed")
    table.show((*head, "slowest / quiet p99", "the service's"), rows)
    seconds = table.median(each.until_swapped for each in found)
    print(f"From the announcement to an answer by the new version: {seconds:.2f} s.")
    print(f"Versions in the order they answered: {[each.versions for each in found]}.\n")
    worst = table.median(each.swapped.slowest_of_service for each in found) / usual
    table.aim(
        f"No answer of the service slower than {AIM:.0f} times the usual p99",
        table.ratio(worst),
        met=worst <= AIM,
    )


async def measure(running: Rig) -> None:
    """Measure round by round, and print."""
    _first, *others = await announcements(running)
    await running.until_ready()
    await loaded(running, QUIET / 2)  # so that the first round finds what the others find
    tell([await one_round(running, ready) for ready in others])


def main() -> None:
    """Run the benchmark."""
    with rig() as running:
        asyncio.run(measure(running))


if __name__ == "__main__":
    main()
