"""Every kind of work that training does, and what can happen to it meanwhile."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chassis.compute import Report
from chassis.testing import ADMIN, TENANT, Bench, FrozenClock
from contracts.catalog import DataFileDeleted, ProjectDeleted
from training.domain.jobs import ALIVE
from training.operations import schedules
from training.store import jobs
from training.store import schedules as schedule_store
from training.tests.standins import (
    ARTEFACT,
    FOUND,
    MOMENT,
    FakeCompute,
    configured,
    data_changed,
    death,
    interactions,
    know,
    posted,
    progress,
    result,
    runner_of,
)

API = "/api/v1"


class Obliging(FakeCompute):
    """Carries out whatever it is told, unless a script says otherwise."""

    async def submit(
        self, module: str, spec: Mapping[str, Any], *, memory_bytes: int | None = None
    ) -> str:
        if len(self.scripts) <= len(self.specs):
            done = FOUND if spec["kind"] == "tune" else ARTEFACT
            self.play(progress(0.1, "on it"), Report("result", done))
        return await super().submit(module, spec, memory_bytes=memory_bytes)


@dataclass
class Stage:
    """One service and what it may be doing."""

    bench: Bench
    compute: FakeCompute
    clock: FrozenClock
    schedule: int | None = None

    async def delete_all(self, kind: str) -> None:
        """Delete everything of a kind over HTTP."""
        client = self.bench.as_caller(ADMIN)
        for row in (await client.get(f"{API}/{kind}/")).json()["results"]:
            answer = await client.delete(f"{API}/{kind}/{row['id']}/")
            assert answer.status_code == 204

    async def jobs(self) -> list[Any]:
        async with self.bench.database.transaction(tenant_id=TENANT, write=False) as tx:
            return await jobs.jobs.all(tx)

    async def runs(self) -> list[Any]:
        async with self.bench.database.transaction(tenant_id=TENANT, write=False) as tx:
            return await schedule_store.runs.all(tx)

    async def at_work(self) -> bool:
        return any(job.state in ALIVE for job in await self.jobs())


async def recipe_of(stage: Stage) -> dict[str, int]:
    client = stage.bench.as_caller(ADMIN)
    split = await posted(client, f"{API}/split_config/")
    judged = await posted(client, f"{API}/evaluation_config/")
    return {"split": split["id"], "evaluation": judged["id"]}


async def training(stage: Stage) -> None:
    """Ask for a model."""
    made = await configured(stage.bench)
    client = stage.bench.as_caller(ADMIN)
    await posted(client, f"{API}/trained_model/", configuration=made["id"], data_loc=5)


async def search(stage: Stage) -> None:
    """Ask for a search and the training of what it finds."""
    await configured(stage.bench)
    recipe = await recipe_of(stage)
    client = stage.bench.as_caller(ADMIN)
    await posted(client, f"{API}/parameter_tuning_job/", data=5, n_trials=2, **recipe)


async def found(stage: Stage) -> None:
    """Have the search done, so that what it found is about to be trained."""
    await search(stage)
    await runner_of(stage.bench).step()
    await runner_of(stage.bench).idle()


async def algorithm(stage: Stage) -> None:
    """Train an algorithm of the tenant."""
    await know(stage.bench, *interactions(20))
    answer = await stage.bench.as_caller(ADMIN).post(f"{API}/algorithms/collaborative/train")
    assert answer.status_code == 202


async def scheduled(stage: Stage, **others: Any) -> None:
    made = await configured(stage.bench)
    body = {"project": 1, "is_enabled": True, "cron_expression": "0 2 * * *", **others}
    body.setdefault("model_configuration", made["id"])
    client = stage.bench.as_caller(ADMIN)
    stage.schedule = (await posted(client, f"{API}/retraining_schedule/", **body))["id"]


async def trigger(stage: Stage) -> None:
    path = f"{API}/retraining_schedule/{stage.schedule}/trigger/"
    assert (await stage.bench.as_caller(ADMIN).post(path)).status_code == 202


async def run(stage: Stage) -> None:
    """Trigger a schedule that trains a configuration."""
    await scheduled(stage)
    await trigger(stage)


async def run_by_calendar(stage: Stage) -> None:
    """Let the calendar fire the same."""
    await scheduled(stage)
    stage.clock.advance(hours=16)
    assert await schedules.fire_due(stage.bench.database) == 1


async def retune(stage: Stage) -> None:
    """Trigger a schedule that searches first."""
    recipe = await recipe_of(stage)
    configs = {f"{name}_config": number for name, number in recipe.items()}
    await scheduled(stage, retune=True, auto_deploy=True, **configs)
    await trigger(stage)


async def retuned(stage: Stage) -> None:
    """Have its search done, so that the training is next."""
    await retune(stage)
    await runner_of(stage.bench).step()
    await runner_of(stage.bench).idle()


KINDS = (training, search, found, algorithm, run, run_by_calendar, retune, retuned)


async def project_deleted(stage: Stage) -> None:
    """A project goes."""
    gone = ProjectDeleted(tenant_id=TENANT, occurred_at=MOMENT, project_id=1)
    await know(stage.bench, gone)


async def data_deleted(stage: Stage) -> None:
    """A data file goes."""
    told = {"tenant_id": TENANT, "occurred_at": MOMENT, "kind": "training_data"}
    await know(stage.bench, DataFileDeleted(file_id=5, project_id=1, **told))


async def data_unlinked(stage: Stage) -> None:
    """The bytes of a data file go."""
    await know(stage.bench, data_changed(5, 1, table_key=None))


async def split_deleted(stage: Stage) -> None:
    """The way to hold data out goes."""
    await stage.delete_all("split_config")


async def evaluation_deleted(stage: Stage) -> None:
    """The figure to judge by goes."""
    await stage.delete_all("evaluation_config")


async def configurations_deleted(stage: Stage) -> None:
    """What is to be trained goes."""
    await stage.delete_all("model_configuration")


async def models_deleted(stage: Stage) -> None:
    """The model that is being trained goes."""
    await stage.delete_all("trained_model")


async def searches_deleted(stage: Stage) -> None:
    """The search goes."""
    await stage.delete_all("parameter_tuning_job")


async def schedules_deleted(stage: Stage) -> None:
    """The schedule goes."""
    await stage.delete_all("retraining_schedule")


async def cancelled(stage: Stage) -> None:
    """Somebody cancels what is at work."""
    for job in await stage.jobs():
        if job.state in ALIVE:
            path = f"{API}/jobs/{job.uid}/cancel"
            assert (await stage.bench.as_caller(ADMIN).post(path)).status_code == 200


async def workers_die(stage: Stage) -> None:
    """Every worker from now on is killed."""
    if stage.compute.at_once:
        stage.compute.scripts[-1] = [progress(0.1, "on it"), death()]
    for _attempt in range(10):
        stage.compute.play(death())


async def bytes_gone(stage: Stage) -> None:
    """The blob of the data is gone before anybody was told."""
    if stage.compute.at_once:
        stage.compute.scripts[-1] = [progress(0.1, "on it"), result(refused="the data is gone")]
    for _attempt in range(10):
        stage.compute.play(result(refused="the data is gone"))


async def service_killed(stage: Stage) -> None:
    """The service takes the job and dies: all that it leaves behind is a lease."""
    async with stage.bench.database.transaction(tenant_id=None) as tx:
        lease = stage.clock() + timedelta(seconds=15)
        await jobs.claim(tx, holder="dead", now=stage.clock(), lease_until=lease)


HAPPENINGS = (
    project_deleted,
    data_deleted,
    data_unlinked,
    split_deleted,
    evaluation_deleted,
    configurations_deleted,
    models_deleted,
    searches_deleted,
    schedules_deleted,
    cancelled,
    workers_die,
    bytes_gone,
    service_killed,
)
Step = Callable[[Stage], Awaitable[None]]
