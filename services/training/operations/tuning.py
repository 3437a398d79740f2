"""Search for the best learner and parameters on a project's data, then train what was found."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chassis.database import Transaction
from chassis.problems import unknown_reference
from contracts.models import TuningConcluded, TuningForgotten
from training.domain.configurations import EvaluationConfig, ModelConfiguration, SplitConfig
from training.domain.jobs import Job, Kind, State
from training.domain.models import Task, TaskLink
from training.domain.replicas import DataFile
from training.domain.tuning import TuningJob
from training.operations import jobs, references, registry, retraining
from training.operations.reach import is_theirs
from training.store import configurations, logs, replicas, schedules
from training.store import jobs as job_store
from training.store import tuning as store
from training.store.rows import Rows

noun = "ParameterTuningJob"

#: How far a search goes, unless somebody says otherwise.
LIMITS: Mapping[str, Any] = {
    "n_tasks_parallel": 1,
    "n_trials": 40,
    "memory_budget": 8000,
    "timeout_overall": None,
    "timeout_singlestep": None,
    "random_seed": None,
    "tried_algorithms_json": None,
    "train_after_tuning": True,
}


async def find(
    tx: Transaction, *, where: Mapping[str, Any], offset: int, limit: int
) -> tuple[Sequence[TuningJob], int]:
    """Return one page of searches and the number of all."""
    chosen = tx.caller.narrowed(where)
    if chosen is None:
        return [], 0
    rows, total = await store.searches.find(tx, where=chosen, offset=offset, limit=limit)
    return await _linked(tx, rows), total


async def get(tx: Transaction, search_id: int) -> TuningJob | None:
    """Return a search, or None."""
    search = await store.searches.get(tx, search_id)
    if search is None or not tx.caller.may_see(search.project):
        return None
    return (await _linked(tx, [search]))[0]


async def request(tx: Transaction, values: Mapping[str, Any]) -> TuningJob:
    """Keep a search and start it."""
    data = await references.training_data(tx, values["data"], field="data")
    recipes: dict[str, Rows[Any]] = {
        "split": configurations.splits,
        "evaluation": configurations.evaluations,
    }
    for field, rows in recipes.items():
        recipe = await rows.get(tx, values[field])
        if recipe is None or not is_theirs(tx.caller, recipe):
            raise unknown_reference(field, values[field])
    limits = {name: values[name] for name in LIMITS}
    return await start(
        tx, data, split=values["split"], evaluation=values["evaluation"], limits=limits
    )


async def start(
    tx: Transaction,
    data: DataFile,
    *,
    split: int,
    evaluation: int,
    limits: Mapping[str, Any] = LIMITS,
    cause: jobs.Cause = jobs.ASKED,
) -> TuningJob:
    """Keep and start a search on known data."""
    chosen = await configurations.splits.get(tx, split)
    if chosen is None:
        raise unknown_reference("split", split)
    judged = await configurations.evaluations.get(tx, evaluation)
    if judged is None:
        raise unknown_reference("evaluation", evaluation)
    search = await store.searches.add(
        tx,
        data=data.file_id,
        project=data.project_id,
        split=split,
        evaluation=evaluation,
        status="PENDING",
        **limits,
    )
    order = _order(search, chosen, judged) | {"data": await registry.source(tx, data)}
    await jobs.request(
        tx, Kind.TUNE, order, project=data.project_id, tuning_job=search.id, cause=cause
    )
    return (await _linked(tx, [search]))[0]


async def conclude(tx: Transaction, job: Job, found: Mapping[str, Any]) -> None:
    """Keep what a search found as a configuration and have it trained, if that was asked for.

    A run of a schedule that the search is part of goes on with that training, or ends here.
    """
    search = await store.searches.get(tx, job.tuning_job or 0)
    if search is None:
        await retraining.fail(tx, job, "The parameter tuning job was deleted.")
        return
    name = f"Tuning Result of job {search.id}"
    taken = await configurations.name_is_taken(tx, project=search.project, name=name)
    best = await configurations.models.add(
        tx,
        tuning_job=search.id,
        project=search.project,
        name=None if taken else name,
        recommender_class_name=found["learner"],
        parameters_json=dict(found["parameters"]),
    )
    await store.note(
        tx,
        search.id,
        best_score=found["score"],
        best_config=best.id,
        irspack_version=found["irspack_version"][:16],
    )
    tx.emit(
        TuningConcluded(
            tenant_id=tx.tenant_id,
            occurred_at=tx.clock(),
            tuning_job_id=search.id,
            project_id=search.project,
        )
    )
    if not search.train_after_tuning:
        await retraining.fail(tx, job, "The parameter tuning job trains no model.")
        return
    data = await replicas.data_file(tx, search.data)
    if data is None or data.table_key is None:
        reason = registry.UNLINKED_DATA.format(search.data)
        await logs.append(tx, job, [(tx.clock(), f"{reason} What was found is not trained.")])
        await retraining.fail(tx, job, reason)
        return
    await _train(tx, search, best, data, cause=jobs.Cause.of(job))


async def remove(tx: Transaction, search_id: int) -> bool:
    """Delete a search on somebody's behalf; tell whether there was one."""
    search = await get(tx, search_id)
    if search is None:
        return False
    await drop(tx, search, reason="The parameter tuning job was deleted.")
    return True


async def drop(tx: Transaction, search: TuningJob, *, reason: str) -> None:
    """Delete a search and stop what it still does; what it found stays."""
    found = await job_store.for_each(tx, "tuning_job", [search.id])
    await jobs.end_all(tx, found.get(search.id, []), reason=reason)
    await store.forget_search(tx, search.id)
    await schedules.forget(tx, "tuning_job", search.id)
    await store.searches.remove(tx, search.id)
    tx.emit(
        TuningForgotten(tenant_id=tx.tenant_id, occurred_at=tx.clock(), tuning_job_id=search.id)
    )


async def drop_where(tx: Transaction, *, reason: str, **where: Any) -> None:
    """Delete all searches of a split, an evaluation, a data file or a project."""
    for search in await store.searches.all(tx, **where):
        await drop(tx, search, reason=reason)


async def data_unlinked(tx: Transaction, file_id: int) -> None:
    """Fail the searches whose data is gone."""
    searches = [search.id for search in await store.searches.all(tx, data=file_id)]
    found = await job_store.for_each(tx, "tuning_job", searches)
    at_work = [job for each in found.values() for job in each]
    reason = registry.UNLINKED_DATA.format(file_id)
    await jobs.end_all(tx, at_work, state=State.FAILED, reason=reason)


async def _train(
    tx: Transaction,
    search: TuningJob,
    best: ModelConfiguration,
    data: DataFile,
    *,
    cause: jobs.Cause,
) -> None:
    model = await registry.train(tx, best, data, cause=cause)
    await store.note(tx, search.id, tuned_model=model.id)
    if cause.retraining_run is not None:
        await schedules.runs.change(tx, cause.retraining_run, {"trained_model": model.id})


def _order(search: TuningJob, split: SplitConfig, evaluation: EvaluationConfig) -> dict[str, Any]:
    return {
        "learner": "collaborative",
        "split": {
            "scheme": split.scheme,
            "heldout_ratio": split.heldout_ratio,
            "n_heldout": split.n_heldout,
            "test_user_ratio": split.test_user_ratio,
            "n_test_users": split.n_test_users,
            "seed": split.random_seed,
        },
        "evaluation": {"metric": evaluation.target_metric, "cutoff": evaluation.cutoff},
        "tuning": {
            "algorithms": search.tried_algorithms_json,
            "n_trials": search.n_trials,
            "timeout_overall": search.timeout_overall,
            "timeout_singlestep": search.timeout_singlestep,
            "memory_budget": search.memory_budget,
            "parallel": search.n_tasks_parallel,
            "seed": search.random_seed,
        },
        "search_id": search.id,
    }


async def _linked(tx: Transaction, searches: Sequence[TuningJob]) -> list[TuningJob]:
    found = await job_store.for_each(tx, "tuning_job", [search.id for search in searches])
    return [
        replace(
            search, task_links=tuple(TaskLink(Task.of(job)) for job in found.get(search.id, []))
        )
        for search in searches
    ]
