"""A tenant's algorithms: where they stand, and training them, asked or by themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chassis.database import Database, Transaction
from chassis.ids import new_uid
from chassis.problems import Conflict, NotFound
from training.domain.algorithms import (
    ALGORITHMS,
    CONTENT_BASED,
    DEEP_LEARNING,
    HYBRID,
    TRAINED,
    Progress,
    Rhythm,
    Tally,
    is_due,
    missing,
    next_training,
)
from training.domain.jobs import Job, Kind, State
from training.domain.models import Artefact, TrainedModel, beats_popularity, version_of
from training.operations import jobs, registry
from training.store import algorithms as store
from training.store import interactions
from training.store import jobs as job_store
from training.store import registry as models

_SPELLED = {State.PENDING: "queued", State.RUNNING: "training"}
_FUSED = "A fusion of collaborative and content-based, made while serving: it trains with them."
_LATER = "Not part of this release yet."
#: Older versions that are kept beside the one in service, should anybody look back.
_KEPT = 2
#: How often all tenants are looked at, those with nothing new included.
_ALL_AGAIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an algorithm stands for a tenant."""

    name: str
    status: str
    detail: str | None = None
    model_version: str | None = None
    #: The newest version that is served and beats popularity: `hybrid` uses no other.
    fused_version: str | None = None
    trained_at: datetime | None = None
    #: Those that the model that answers was trained on, and all that training knows of by now.
    interactions_seen: int = 0
    interactions_known: int = 0
    next_training: datetime | None = None
    interactions_until_training: int | None = None


async def standings(tx: Transaction, rhythm: Rhythm) -> list[Standing]:
    """Return where each algorithm stands."""
    tally = await interactions.tally(tx)
    trained = {name: await _standing(tx, name, tally, rhythm) for name in TRAINED}
    others = {HYBRID: _hybrid(list(trained.values())), DEEP_LEARNING: _deep_learning()}
    everything = trained | others
    return [everything[name] for name in ALGORITHMS]


async def train(tx: Transaction, name: str) -> Sequence[Job]:
    """Train an algorithm now; one that is at it already is not started twice.

    The hybrid has no training of its own, so its members train.
    """
    if name not in ALGORITHMS:
        raise NotFound(f"There is no algorithm {name!r}.")
    if name == DEEP_LEARNING:
        raise Conflict("deep-learning cannot be trained: it is not part of this release yet.")
    tally = await interactions.tally(tx)
    if tally is None or tally.interactions == 0:
        raise Conflict("There is nothing to learn from: no interaction has been recorded.")
    if name == CONTENT_BASED and tally.items == 0:
        raise Conflict("There is nothing to learn from: no item has metadata.")
    chosen = [name] if name != HYBRID else [each for each in TRAINED if _can_learn(each, tally)]
    try:
        return [await _request(tx, each, tally) for each in chosen]
    except jobs.AlreadyAtWork as error:  # another service was faster by milliseconds
        raise Conflict(f"{name} is being trained already.") from error


class Considering:
    """Starts trainings as they come due, and looks at few tenants where few have something new."""

    def __init__(self, database: Database, rhythm: Rhythm) -> None:
        """Look at everybody first."""
        self._database = database
        self._rhythm = rhythm
        self._all_again = database.clock()

    async def look(self) -> int:
        """Start what is due; return how many trainings.

        What has come lately is looked at each time: that it makes a training due shows once it has
        been quiet, and no training is too recent. What the mere time makes due, or a training that
        is over, is found when all are looked at.
        """
        now = self._database.clock()
        if now >= self._all_again or now < self._all_again - _ALL_AGAIN:
            self._all_again = now + _ALL_AGAIN
            return await consider_all(self._database, self._rhythm)
        lately = self._rhythm.quiet + self._rhythm.interval + _ALL_AGAIN
        return await consider_all(self._database, self._rhythm, since=now - lately)


async def consider_all(database: Database, rhythm: Rhythm, *, since: datetime | None = None) -> int:
    """Start every training that is due; return how many.

    With `since`, only tenants to which something came since then are looked at.
    """
    async with database.transaction(tenant_id=None, write=False) as tx:
        tallies = await interactions.tallies(tx, at_least=1, since=since)
        tenants = None if since is None else [tally.tenant_id for tally in tallies]
        known = await store.everything(tx, tenants=tenants)
        now = tx.clock()
    started = 0
    for tally in tallies:
        for name in TRAINED:
            progress = known.get((tally.tenant_id, name), Progress(name))
            if is_due(rhythm, tally, progress, now=now):
                started += await _start(database, name, tally.tenant_id, rhythm)
    return started


async def publish(tx: Transaction, job: Job, artefact: Artefact) -> None:
    """Register an algorithm's new model and announce it: it answers who names the algorithm."""
    if job.algorithm is None:
        raise LookupError("the job serves no algorithm")
    progress = await store.progress(tx, job.algorithm)
    number = progress.versions + 1
    version = version_of(job.algorithm, number)
    model = await models.models.add(tx, uid=job.order["model_uid"], algorithm=job.algorithm)
    await registry.announce(tx, model, artefact, version=version)
    columns = {"versions": number, "model_id": model.id, "version": version}
    await store.change(tx, job.algorithm, **columns, trained_at=tx.clock())
    await _retire_older(tx, job.algorithm)


async def _retire_older(tx: Transaction, name: str) -> None:
    """Keep the newest model that beats popularity, a few before it, and the newest of the others.

    What answers stays, however many newer ones inference refuses.
    """
    found = await models.models.all(tx, algorithm=name)
    fit = _fit(found)
    unfit = [model for model in found if model not in fit]
    answering = _answering(found), _answering(fit)
    for model in (*fit[: -_KEPT - 1], *unfit[:-_KEPT]):
        if model not in answering:
            await registry.retire(tx, model, reason="Newer versions have followed.")


async def _start(database: Database, name: str, tenant_id: str, rhythm: Rhythm) -> int:
    try:
        async with database.transaction(tenant_id=tenant_id) as tx:
            tally = await interactions.tally(tx)
            progress = await store.progress(tx, name)
            if tally is None or not is_due(rhythm, tally, progress, now=tx.clock()):
                return 0
            few = not await interactions.has_users(tx, rhythm.first_users)
            if few or await job_store.at_work(tx, name) is not None:
                return 0
            await _request(tx, name, tally)
    except jobs.AlreadyAtWork:
        return 0  # another service was faster
    return 1


async def _request(tx: Transaction, name: str, tally: Tally) -> Job:
    present = await job_store.at_work(tx, name)
    if present is not None:
        return present
    order = {"learner": name, "model_uid": new_uid(), "needs_items": name == CONTENT_BASED}
    job = await jobs.request(tx, Kind.ALGORITHM, order, algorithm=name)
    now = tx.clock()
    await store.change(
        tx,
        name,
        requested_at=now,
        interactions_seen=tally.interactions,
        items_seen=tally.items,
    )
    await interactions.settle(tx, now=now)
    return job


def _can_learn(name: str, tally: Tally) -> bool:
    return name != CONTENT_BASED or tally.items > 0


async def _standing(tx: Transaction, name: str, tally: Tally | None, rhythm: Rhythm) -> Standing:
    progress = await store.progress(tx, name)
    job = await job_store.newest(tx, algorithm=name)
    found = await models.models.all(tx, algorithm=name)
    chosen = next((model for model in found if model.id == progress.model_id), None)
    answering, fused = _answering(found), _answering(_fit(found))
    now = tx.clock()
    empty = Tally(tx.tenant_id, interactions=0, items=0, first_new_at=now, last_new_at=now)
    settled = _settled(chosen, answering)
    status, detail = _status(name, job, progress, tally or empty, settled)
    return Standing(
        name=name,
        status=status,
        detail=detail,
        model_version=answering.version if answering else None,
        fused_version=fused.version if fused else None,
        trained_at=progress.trained_at,
        interactions_seen=(answering.rows_seen or 0) if answering else 0,
        interactions_known=(tally or empty).interactions,
        next_training=next_training(rhythm, tally, progress),
        interactions_until_training=missing(rhythm, tally or empty, progress),
    )


def _fit(found: Sequence[TrainedModel]) -> list[TrainedModel]:
    return [model for model in found if beats_popularity(model.metrics or {})]


def _answering(found: Sequence[TrainedModel]) -> TrainedModel | None:
    """Return the newest of some models that inference serves, if any."""
    return next((model for model in reversed(found) if model.is_served), None)


def _settled(chosen: TrainedModel | None, answering: TrainedModel | None) -> tuple[str, str | None]:
    """Return how an algorithm stands whose last training is over: by its newest model."""
    if chosen is None:
        return "waiting", None
    if chosen.is_served:
        return "ready", None
    meanwhile = f" {answering.version} goes on answering." if answering else ""
    if chosen.refusal is not None:
        return "refused", f"{chosen.version} cannot be served: {chosen.refusal}.{meanwhile}"
    return "loading", f"{chosen.version} is trained and not loaded yet.{meanwhile}"


def _status(
    name: str,
    job: Job | None,
    progress: Progress,
    tally: Tally,
    settled: tuple[str, str | None],
) -> tuple[str, str | None]:
    if job is None:
        described = name != CONTENT_BASED or tally.items > 0
        return "waiting", None if described else "No item has metadata."
    status, detail = settled
    if job.state is State.CANCELLED:
        return status, detail or "The last training was cancelled."
    if job.state is State.FAILED:
        return "failed", job.error
    if job.state is State.COMPLETED:
        return status, detail or _unfit(progress.version, job.result or {})
    return _SPELLED[job.state], None


def _unfit(version: str | None, result: Mapping[str, Any]) -> str | None:
    """Return why `hybrid` leaves the newest version out, if it does."""
    measures = result.get("metrics", {})
    if beats_popularity(measures):
        return None
    if measures.get("measured", True):
        return f"{version} did not beat popularity: hybrid leaves it out."
    return f"hybrid leaves {version} out: there is too little data to tell if it beats popularity."


def _hybrid(members: Sequence[Standing]) -> Standing:
    fused = {each.fused_version: each for each in members if each.fused_version is not None}
    statuses = {each.status for each in members}
    coming = next((status for status in ("loading", "refused") if status in statuses), "waiting")
    trained = [each.trained_at for each in members if each.trained_at is not None]
    return Standing(
        name=HYBRID,
        status="ready" if fused else coming,
        detail=_FUSED,
        model_version="+".join(fused) or None,
        trained_at=max(trained, default=None),
        interactions_seen=max((each.interactions_seen for each in fused.values()), default=0),
        interactions_known=max(each.interactions_known for each in members),
        next_training=min((e.next_training for e in members if e.next_training), default=None),
    )


def _deep_learning() -> Standing:
    return Standing(name=DEEP_LEARNING, status="unavailable", detail=_LATER)
