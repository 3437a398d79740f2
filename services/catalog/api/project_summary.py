"""`/api/v1/project_summary/{id}` (Recotem)."""

from datetime import datetime

from catalog.operations import projects
from chassis.crud import row_id
from chassis.dependencies import Tx
from chassis.identity import needs
from chassis.wire import Wire, router

project_summary_router = router(tags=["project"], dependencies=[needs("read")])


class SummaryOut(Wire):
    n_data: int
    n_complete_jobs: int
    n_models: int
    ins_datetime: datetime


@project_summary_router.get("/api/v1/project_summary/{id}")
async def summarise(id: str, tx: Tx) -> SummaryOut:
    """Count a project's files, successful tuning jobs and models."""
    found = await projects.summarise(tx, row_id(id, projects.noun))
    return SummaryOut.model_validate(found)
