"""Models: ask for one, publish what was learnt, retire what nobody wants."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from chassis.database import Transaction
from chassis.problems import Invalid, unknown_reference
from contracts.models import ModelRetired
from training.domain.configurations import ModelConfiguration
from training.domain.jobs import Job, Kind, State
from training.domain.models import UNLINKED, Artefact, Task, TaskLink, TrainedModel, version_of
from training.domain.replicas import DataFile
from training.operations import jobs, references
from training.store import configurations, replicas, schedules
from training.store import jobs as job_store
from training.store import registry as store

noun = "TrainedModel"

#: Why nothing is learnt from a data file any more.
UNLINKED_DATA = "Data {} was unlinked."


async def find(
    tx: Transaction, *, where: Mapping[str, Any], offset: int, limit: int
) -> tuple[Sequence[TrainedModel], int]:
    """Return one page of the projects' own models and the number of all."""
    chosen = tx.caller.narrowed(where)
    if chosen is None:
        return [], 0
    rows, total = await store.find(tx, where=chosen, offset=offset, limit=limit)
    return await _linked(tx, rows), total


async def get(tx: Transaction, model_id: int) -> TrainedModel | None:
    """Return a project's own model, or None."""
    model = await store.models.get(tx, model_id)
    if model is None or model.project is None or not tx.caller.may_see(model.project):
        return None
    return (await _linked(tx, [model]))[0]


async def request(tx: Transaction, *, configuration: int, data_loc: int) -> TrainedModel:
    """Keep a model that is still to be trained and have it trained."""
    chosen = await configurations.models.get(tx, configuration)
    if chosen is None or not tx.caller.may_see(chosen.project):
        raise unknown_reference("configuration", configuration)
    data = await references.training_data(tx, data_loc, field="data_loc")
    if chosen.project != data.project_id:
        text = "Model configuration must belong to the same project as the training data."
        raise Invalid(fields={"configuration": [text]})
    return await train(tx, chosen, data)


async def train(
    tx: Transaction, chosen: ModelConfiguration, data: DataFile, *, cause: jobs.Cause = jobs.ASKED
) -> TrainedModel:
    """Have a configuration trained on a data file."""
    model = await store.models.add(
        tx, project=chosen.project, configuration=chosen.id, data_loc=data.file_id
    )
    order = {
        "learner": chosen.recommender_class_name,
        "parameters": dict(chosen.parameters_json),
        "model_uid": model.uid,
        "data": await source(tx, data),
    }
    await jobs.request(
        tx, Kind.TRAIN, order, project=chosen.project, model_id=model.id, cause=cause
    )
    return (await _linked(tx, [model]))[0]


async def source(tx: Transaction, data: DataFile) -> dict[str, Any]:
    """Return where a data file's table lies and what its columns mean."""
    project = await replicas.project(tx, data.project_id)
    if project is None:
        raise unknown_reference("project", data.project_id)
    return {
        "key": data.table_key,
        "digest": data.table_digest,
        "user": project.user_column,
        "item": project.item_column,
        # Recotem's clients write no name as an empty one.
        "time": project.time_column or None,
    }


async def publish(tx: Transaction, job: Job, artefact: Artefact) -> TrainedModel | None:
    """Fill a project's model with what was learnt and announce it; None if it is gone."""
    model = await store.models.get(tx, job.model_id or 0)
    if model is None:
        return None
    slot = job.order.get("deploy_to_slot") if artefact.beats_popularity else None
    return await announce(tx, model, artefact, version=version_of(None, model.id), slot=slot)


async def announce(
    tx: Transaction,
    model: TrainedModel,
    artefact: Artefact,
    *,
    version: str,
    slot: str | None = None,
) -> TrainedModel | None:
    """Write an artefact's facts to its model and tell the others that it is ready."""
    columns = artefact.of_model(model.id) | {"version": version}
    ready = await store.models.change(tx, model.id, columns)
    if ready is not None:
        tx.emit(ready.ready(at=tx.clock(), slot=slot))
    return ready


async def note_service(tx: Transaction, model_id: int, *, at: datetime) -> None:
    """Note that inference answers by a model, and that it does not refuse it (any more)."""
    await store.models.change(tx, model_id, {"served_at": at, "refusal": None})


async def note_refusal(tx: Transaction, model_id: int, reason: str) -> None:
    """Note why inference does not serve a model."""
    await store.models.change(tx, model_id, {"served_at": None, "refusal": reason})


async def refusals(tx: Transaction, ids: Sequence[int | None]) -> Mapping[int | None, str | None]:
    """Return, for each of the models, why inference does not serve it, None where it does."""
    found = await store.refusals(tx, [each for each in ids if each is not None])
    return {model_id: found.get(model_id) for model_id in ids if model_id is not None}


async def unlink(tx: Transaction, model_id: int) -> TrainedModel | None:
    """Throw a model's artefact away but remember the model; nobody is served by it any more."""
    model = await get(tx, model_id)
    if model is None or model.artefact_key is None:
        return model
    await store.discard(tx, model.artefact_key, now=tx.clock())
    await store.models.change(tx, model.id, UNLINKED)
    tx.emit(ModelRetired(tenant_id=tx.tenant_id, occurred_at=tx.clock(), model_id=model.id))
    return await get(tx, model_id)


async def remove(tx: Transaction, model_id: int) -> bool:
    """Delete a model on somebody's behalf; tell whether there was one."""
    model = await get(tx, model_id)
    if model is None:
        return False
    await retire(tx, model, reason="The model was deleted.")
    return True


async def retire(tx: Transaction, model: TrainedModel, *, reason: str) -> None:
    """Delete a model, stop what still trains it and tell the others to drop it."""
    found = await job_store.for_each(tx, "model_id", [model.id])
    await jobs.end_all(tx, found.get(model.id, []), reason=reason)
    await schedules.forget(tx, "trained_model", model.id)
    await store.remove(tx, model, now=tx.clock())
    tx.emit(ModelRetired(tenant_id=tx.tenant_id, occurred_at=tx.clock(), model_id=model.id))


async def retire_where(tx: Transaction, *, reason: str, **where: Any) -> None:
    """Retire all models of a configuration, a data file or a project."""
    for model in await store.models.all(tx, **where):
        await retire(tx, model, reason=reason)


async def data_unlinked(tx: Transaction, file_id: int) -> None:
    """Fail the trainings of models whose data is gone; models that are trained stay."""
    waiting = [m.id for m in await store.models.all(tx, data_loc=file_id, artefact_key=None)]
    found = await job_store.for_each(tx, "model_id", waiting)
    at_work = [job for each in found.values() for job in each]
    await jobs.end_all(tx, at_work, state=State.FAILED, reason=UNLINKED_DATA.format(file_id))


async def _linked(tx: Transaction, models: Sequence[TrainedModel]) -> list[TrainedModel]:
    found = await job_store.for_each(tx, "model_id", [model.id for model in models])
    return [
        replace(model, task_links=tuple(TaskLink(Task.of(job)) for job in found.get(model.id, [])))
        for model in models
    ]
