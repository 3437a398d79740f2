"""Stand-ins for what surrounds training: an obedient compute, and facts of catalog."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from chassis.compute import Compute, Report, Status
from chassis.testing import ADMIN, TENANT, Bench
from contracts.catalog import DataFileChanged, ItemChanged, ProjectChanged
from contracts.interactions import InteractionRecorded, InteractionType
from contracts.model_states import ModelLoaded, ModelRefused
from contracts.models import ModelReady
from training.operations.runner import Runner

MOMENT = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)

ARTEFACT: Mapping[str, Any] = {
    "key": "tenant/models/uid/1",
    "digest": "a" * 64,
    "size": 1234,
    "learner": "TopPopRecommender",
    "rows": 50,
    "metrics": {"ndcg": 0.3, "beats_popularity": True},
    "irspack_version": "0.5.2",
}
FOUND: Mapping[str, Any] = {
    "learner": "CosineKNNRecommender",
    "parameters": {"top_k": 20},
    "score": 0.25,
    "trials": 3,
    "irspack_version": "0.5.2",
}


def progress(fraction: float, message: str) -> Report:
    """Return what a worker says on its way."""
    return Report("progress", {"fraction": fraction, "message": message})


def result(**others: Any) -> Report:
    """Return a trained model as a worker's last word."""
    return Report("result", {**ARTEFACT, **others})


def death(message: str = "the work was killed by SIGKILL") -> Report:
    """Return what is heard of a worker that died."""
    return Report("error", {"code": "CRASHED", "message": message})


def hindrance(message: str = "BlobsUnavailable: the blob store failed") -> Report:
    """Return the last word of work that found something away."""
    return Report("error", {"code": "AWAY", "message": message})


class FakeCompute(Compute):
    """Plays one script after the other; a script without a last word goes on for ever."""

    def __init__(self) -> None:
        self.scripts: list[Sequence[Report]] = []
        self.specs: list[Mapping[str, Any]] = []
        self.cancelled: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        #: A reader waits here before the last report of a script.
        self.gate = asyncio.Event()
        self.gate.set()

    def play(self, *reports: Report) -> None:
        """Have the next worker report this."""
        self.scripts.append(reports)

    async def submit(
        self, module: str, spec: Mapping[str, Any], *, memory_bytes: int | None = None
    ) -> str:
        self.specs.append(spec)
        return str(len(self.specs) - 1)

    async def reports(self, work_id: str) -> AsyncIterator[Report]:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            script = self.scripts[int(work_id)]
            for report in script[:-1]:
                yield report
            await self.gate.wait()
            yield script[-1]
            await asyncio.Event().wait()
        finally:
            self.at_once -= 1

    async def status(self, work_id: str) -> Status:
        return Status("running")

    async def cancel(self, work_id: str) -> None:
        self.cancelled.append(work_id)

    async def close(self) -> None:
        """Nothing is open."""


def runner_of(bench: Bench) -> Runner:
    """Return the service's runner."""
    runner: Runner = bench.app.state.runner
    return runner


async def run_everything(bench: Bench) -> None:
    """Run all that waits, one job after the other."""
    runner = runner_of(bench)
    while await runner.step():
        await runner.idle()


async def serve(bench: Bench) -> None:
    """Let inference say that it can answer by every model announced so far."""
    for ready in await bench.emitted(ModelReady):
        await bench.deliver(loaded(ready))


def loaded(ready: ModelReady) -> ModelLoaded:
    """Return the fact that inference can answer by an announced model."""
    return ModelLoaded(
        tenant_id=ready.tenant_id,
        occurred_at=MOMENT,
        model_id=ready.model_id,
        version=ready.version,
    )


def refused(
    ready: ModelReady, reason: str = "proof row 0: score 1.0 instead of 2.0"
) -> ModelRefused:
    """Return the fact that inference does not serve an announced model."""
    return ModelRefused(
        tenant_id=ready.tenant_id,
        occurred_at=MOMENT,
        model_id=ready.model_id,
        version=ready.version,
        reason=reason,
    )


async def until(condition: Callable[[], Any], *, seconds: float = 10) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what changes is outside of this process
            await asyncio.sleep(0.01)


def project_changed(project_id: int, tenant_id: str = TENANT) -> ProjectChanged:
    """Return the fact that a project exists."""
    return ProjectChanged(
        tenant_id=tenant_id,
        occurred_at=MOMENT,
        project_id=project_id,
        name=f"Project {project_id}",
        is_default=False,
        user_column="u",
        item_column="i",
        time_column="t",
    )


def data_changed(
    file_id: int, project_id: int, tenant_id: str = TENANT, table_key: str | None = "t/data/1"
) -> DataFileChanged:
    """Return the fact that training data was uploaded, or unlinked without a key."""
    return DataFileChanged(
        tenant_id=tenant_id,
        occurred_at=MOMENT,
        kind="training_data",
        file_id=file_id,
        project_id=project_id,
        basename="data.csv",
        table_key=table_key,
        table_digest=None if table_key is None else "d" * 64,
        rows=50,
    )


def item_changed(item_id: str, revision: int = 1, **metadata: Any) -> ItemChanged:
    """Return the fact that an item was described."""
    return ItemChanged(
        tenant_id=TENANT,
        occurred_at=MOMENT,
        item_id=item_id,
        metadata=metadata,
        is_active=True,
        revision=revision,
    )


def interactions(
    number: int, *, users: int = 10, first: int = 1, tenant_id: str = TENANT
) -> list[InteractionRecorded]:
    """Return facts of people who did something."""
    return [
        InteractionRecorded(
            tenant_id=tenant_id,
            occurred_at=MOMENT,
            sequence=first + at,
            interaction_id=f"{tenant_id}-{first + at}",
            user_id=f"user-{at % users}",
            item_id=f"item-{at % 17}",
            interaction_type=InteractionType.CLICK,
            weight=0.3,
            source="batch",
            centiunits=1,
        )
        for at in range(number)
    ]


async def know(bench: Bench, *facts: Any) -> None:
    """Let catalog's facts arrive."""
    await bench.deliver(*facts)


async def posted(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    """Make something and return it."""
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def configured(bench: Bench, **others: Any) -> dict[str, Any]:
    """Return a model configuration of project 1."""
    await know(bench, project_changed(1), data_changed(5, 1))
    body = {"project": 1, "recommender_class_name": "TopPopRecommender", **others}
    return await posted(bench.as_caller(ADMIN), "/api/v1/model_configuration/", **body)


async def requested(bench: Bench) -> dict[str, Any]:
    """Return a model of project 1 that waits for its training."""
    configuration = await configured(bench)
    return await posted(
        bench.as_caller(ADMIN),
        "/api/v1/trained_model/",
        configuration=configuration["id"],
        data_loc=5,
    )
