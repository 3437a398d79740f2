"""Which model a schedule has put into a slot last, at rest."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.upserts import insert_new
from experiments.store.tables import AutoDeploymentRow


async def advance(
    session: AsyncSession, *, project_id: int, slot_name: str, model_id: int, tenant_id: str
) -> bool:
    """Note a slot's newest model; tell whether this one is newer than all before it.

    Whoever notes another model for the same slot waits for the commit.
    """
    table = AutoDeploymentRow.metadata.tables[AutoDeploymentRow.__tablename__]
    row = {"tenant_id": tenant_id, "project_id": project_id, "slot_name": slot_name}
    if await insert_new(
        session, table, [row | {"model_id": model_id}], returning=[table.c.model_id]
    ):
        return True
    query = select(AutoDeploymentRow).where(
        AutoDeploymentRow.project_id == project_id, AutoDeploymentRow.slot_name == slot_name
    )
    held = query.with_for_update().execution_options(populate_existing=True)
    kept = (await session.scalars(held)).one()
    if kept.model_id >= model_id:
        return False
    kept.model_id = model_id
    await session.flush()
    return True
