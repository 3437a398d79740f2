"""`/api/v1/algorithms`: where a tenant's algorithms stand, and train one now (RecommendAI)."""

from datetime import datetime
from typing import Any

from chassis.dependencies import Tx
from chassis.identity import of_default
from chassis.wire import Wire
from chassis.wire import router as new_router
from training.api.jobs import JobOut
from training.api.state import OwnSettings
from training.operations import algorithms


class AlgorithmOut(Wire):
    name: str
    status: str
    detail: str | None
    model_version: str | None
    trained_at: datetime | None
    interactions_seen: int
    interactions_known: int
    next_training: datetime | None
    interactions_until_training: int | None


class AcceptedOut(JobOut):
    algorithm: str
    jobs: list[JobOut]


router = new_router(tags=["algorithms"])


@router.get(
    "/api/v1/algorithms", response_model=list[AlgorithmOut], dependencies=[of_default("read")]
)
async def standings(tx: Tx, settings: OwnSettings) -> Any:
    return await algorithms.standings(tx, settings.rhythm)


@router.post("/api/v1/algorithms/{name}/train", status_code=202, dependencies=[of_default("write")])
async def train(name: str, tx: Tx) -> AcceptedOut:
    started = [JobOut.from_domain(job) for job in await algorithms.train(tx, name)]
    return AcceptedOut(**started[0].model_dump(), algorithm=name, jobs=started)
