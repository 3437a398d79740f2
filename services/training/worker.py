"""One training process: its specification comes on standard input, reports go to standard output.

Specification: `kind` (train, tune or algorithm), `learner`, `parameters`, `seed`, `split`,
`evaluation`, `tuning`, `data` {key, digest, user, item, time, weight}, `items` {key, digest}, and
`artefact`, the prefix under which the model goes. Where blobs and the signing key are is no part of
it: that comes from the settings. The result is the model's facts, or {refused: why}.
"""

import asyncio
import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chassis.blobs import BlobNotFound, Blobs, open_blobs
from chassis.clock import now
from chassis.compute.child import Reporter, run
from chassis.settings import Settings

if TYPE_CHECKING:
    from training.learners import Interactions, Items, LearningOrder

Spec = Mapping[str, Any]

#: Seconds that a step may take to notice that nobody wants its result any more.
_GRACE = 1.0


class Worker:
    """Carries out one specification in a folder of its own."""

    def __init__(
        self, spec: Spec, *, blobs: Blobs, settings: Settings, reporter: Reporter, folder: Path
    ) -> None:
        """Read and write blobs, keep files in `folder` meanwhile."""
        self._spec = spec
        self._blobs = blobs
        self._settings = settings
        self._reporter = reporter
        self._folder = folder
        self.is_cancelled = False

    def work(self) -> dict[str, Any]:
        """Learn; return the result, or the reason why there is none."""
        self._say(0.0, self._greeting())
        from training import learners  # takes seconds

        try:
            interactions = self._interactions()
            order = order_of(self._spec)
            if self._spec["kind"] == "tune":
                return self._tune(order, interactions)
            return self._train(order, interactions, self._items())
        except (learners.OrderRefused, learners.NothingLearnt) as error:
            return {"refused": str(error)}
        except BlobNotFound:
            if self._spec["kind"] == "algorithm":
                raise  # another attempt has cleared the export of this one
            return {"refused": "the data has been deleted"}

    def _tune(self, order: "LearningOrder", interactions: "Interactions") -> dict[str, Any]:
        from training import learners

        found = learners.tune(
            order, interactions, report=self._scaled, cancelled=lambda: self.is_cancelled
        )
        self._say(0.99, f"Job {self._spec['search_id']} complete.")
        return {
            "learner": found.learner,
            "parameters": dict(found.parameters),
            "score": found.score,
            "trials": len(found.trials),
            "is_timed": found.is_timed,
            "irspack_version": version("irspack"),
        }

    def _train(
        self, order: "LearningOrder", interactions: "Interactions", items: "Items | None"
    ) -> dict[str, Any]:
        from training import learners

        model = learners.learn(
            order,
            interactions,
            items,
            report=self._scaled,
            cancelled=lambda: self.is_cancelled,
        )
        folder = self._folder / "artefact"
        manifest = learners.write(model, folder, signer=self._signer(), created_at=now())
        return {
            "key": self._spec["artefact"],
            "digest": manifest.digest,
            "size": self._upload(folder),
            "learner": manifest.learner,
            "rows": len(interactions),
            "metrics": manifest.metrics,
            "irspack_version": version("irspack"),
        }

    def _interactions(self) -> "Interactions":
        import pyarrow.parquet as pq

        from training import learners

        data = self._spec["data"]
        table = pq.read_table(self._fetched(data, "interactions.parquet"))
        self._say(0.02, f"Read {table.num_rows} interactions.")
        columns = {name: data.get(name) for name in ("user", "item", "time", "weight")}
        return learners.Interactions.from_table(table, **columns)

    def _items(self) -> "Items | None":
        from training import learners

        if "items" not in self._spec:
            return None
        with self._fetched(self._spec["items"], "items.jsonl").open(encoding="utf-8") as lines:
            return learners.Items.from_documents([json.loads(line) for line in lines])

    def _fetched(self, source: Spec, name: str) -> Path:
        """Return a local copy of a blob, which is what its digest says."""
        path = self._folder / name
        asyncio.run(self._blobs.fetch(source["key"], to=path, digest=source["digest"]))
        return path

    def _upload(self, folder: Path) -> int:
        """Write the files, the manifest last: whoever finds it finds all that it names."""
        from contracts.artefact import MANIFEST_NAME

        files = sorted(folder.iterdir(), key=lambda each: each.name == MANIFEST_NAME)

        async def put_all() -> int:
            size = 0
            for file in files:
                blob = await self._blobs.put(f"{self._spec['artefact']}/{file.name}", file)
                size += blob.size
            return size

        size = asyncio.run(put_all())
        self._say(0.99, f"Wrote {size} bytes.")
        return size

    def _signer(self) -> Any:
        from chassis.keys import private_keys

        return private_keys(self._settings.key_file("artefact.pem").read_bytes())[0]

    def _greeting(self) -> str:
        if self._spec["kind"] == "tune":  # as Recotem's clients know it
            return f"Start job {self._spec['search_id']} / worker 0."
        return f"Start job {self._spec['job']}."

    def _scaled(self, progress: float, message: str) -> None:
        self._say(0.03 + 0.94 * progress, message)

    def _say(self, progress: float, message: str) -> None:
        self._reporter.progress(round(progress, 4), message=message)


def order_of(spec: Spec) -> "LearningOrder":
    """Return a specification's learning order; what it leaves open has good defaults."""
    from training.learners import Evaluation, LearningOrder, Metric, Scheme, Split, Tuning

    told: dict[str, Any] = {
        name: spec[name] for name in ("learner", "parameters", "seed") if name in spec
    }
    if "split" in spec:
        told["split"] = Split(**spec["split"] | {"scheme": Scheme(spec["split"]["scheme"])})
    if "evaluation" in spec:
        metric = Metric(spec["evaluation"]["metric"])
        told["evaluation"] = Evaluation(metric, spec["evaluation"]["cutoff"])
    if "tuning" in spec:
        algorithms = spec["tuning"]["algorithms"]
        chosen = None if algorithms is None else tuple(algorithms)
        told["tuning"] = Tuning(**spec["tuning"] | {"algorithms": chosen})
    return LearningOrder(**told)


def prepare() -> None:
    """Import what takes seconds."""
    from training import learners  # noqa: F401


def work(spec: dict[str, Any], reporter: Reporter) -> Mapping[str, Any]:
    """Carry out a specification."""
    settings = Settings()
    blobs = open_blobs(settings.blobs())
    with tempfile.TemporaryDirectory(prefix="millrace-work-") as name:
        folder = Path(name)
        worker = Worker(spec, blobs=blobs, settings=settings, reporter=reporter, folder=folder)
        _end_when_told(worker, folder)
        return worker.work()


def _end_when_told(worker: Worker, folder: Path) -> None:
    """Clean up and end soon after SIGTERM, even in a step that never comes back to Python."""
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)

    def cancel(_number: int, _frame: object) -> None:
        worker.is_cancelled = True

    def watch() -> None:
        os.read(told, 1)
        time.sleep(_GRACE)
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, cancel)
    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    run(work)
