"""Which model was the newest to be deployed by itself, for each slot that ever was."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from experiments.domain.slots import Deployment
from experiments.store.tables import DeploymentRow


async def advance(session: AsyncSession, deployment: Deployment) -> bool:
    """Keep a deployment where it is newer than the last one to its slot; tell whether it is."""
    query = select(DeploymentRow).where(
        DeploymentRow.project_id == deployment.project_id,
        DeploymentRow.slot_name == deployment.slot_name,
    )
    row = (await session.execute(query.with_for_update())).scalar_one_or_none()
    if row is None:
        row = DeploymentRow(project_id=deployment.project_id, slot_name=deployment.slot_name)
        session.add(row)
    elif deployment.age <= (row.ready_at, row.model_id):
        return False
    row.ready_at, row.model_id = deployment.ready_at, deployment.model_id
    await session.flush()
    return True
