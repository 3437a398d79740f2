"""What experiments knows of other services' things: projects and models, fed by events."""

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.database import Transaction
from chassis.revisions import is_older
from experiments.domain.models import Model
from experiments.domain.slots import Project
from experiments.store.tables import ModelRow, ProjectRow


async def project(session: AsyncSession, project_id: int) -> Project | None:
    """Return a project of the tenant's."""
    query = select(ProjectRow).where(ProjectRow.id == project_id)
    row = (await session.execute(query)).scalar_one_or_none()
    return Project(row.id, row.name, row.is_default, row.owner_id) if row else None


async def owned_by_others(tx: Transaction) -> frozenset[int]:
    """Return the projects that a person other than the caller owns."""
    return await not_owned_by(tx, tx.caller.person_id)


async def not_owned_by(tx: Transaction, person_id: int | None) -> frozenset[int]:
    """Return the projects that somebody else than a person owns."""
    query = select(ProjectRow.id).where(ProjectRow.owner_id != person_id)
    return frozenset((await tx.session.execute(query)).scalars())


async def known_projects(session: AsyncSession, project_ids: set[int]) -> set[int]:
    """Return which of the ids are projects of the tenant's."""
    query = select(ProjectRow.id).where(ProjectRow.id.in_(project_ids))
    return set((await session.execute(query)).scalars())


async def keep_project(session: AsyncSession, kept: Project) -> None:
    """Keep a project's newest state."""
    query = select(ProjectRow).where(ProjectRow.id == kept.id).with_for_update()
    row = (await session.execute(query)).scalar_one_or_none()
    if row is None:
        row = ProjectRow(id=kept.id, revision=0)
        session.add(row)
    if is_older(kept.revision, row.revision):
        return
    row.name, row.is_default, row.owner_id = kept.name, kept.is_default, kept.owner_id
    row.revision = max(kept.revision, row.revision)
    await session.flush()


async def drop_project(session: AsyncSession, project_id: int) -> None:
    """Forget a project and its models."""
    await session.execute(delete(ProjectRow).where(ProjectRow.id == project_id))
    await session.execute(delete(ModelRow).where(ModelRow.project_id == project_id))


async def model(session: AsyncSession, model_id: int) -> Model | None:
    """Return a ready model of the tenant's."""
    query = select(ModelRow).where(ModelRow.id == model_id)
    row = (await session.execute(query)).scalar_one_or_none()
    return _model(row) if row else None


async def models(session: AsyncSession) -> list[Model]:
    """Return every model of the tenant's, oldest first."""
    return [_model(row) for row in await session.scalars(select(ModelRow).order_by(ModelRow.id))]


async def keep_model(session: AsyncSession, kept: Model) -> bool:
    """Keep a model that is ready; tell whether it is news."""
    query = select(ModelRow).where(ModelRow.id == kept.id)
    row = (await session.execute(query)).scalar_one_or_none()
    is_news = row is None
    if row is None:
        row = ModelRow(id=kept.id)
        session.add(row)
    row.project_id, row.algorithm = kept.project_id, kept.algorithm
    row.ready_at, row.accuracy = kept.ready_at, kept.accuracy
    await session.flush()
    return is_news


async def drop_model(session: AsyncSession, model_id: int) -> None:
    """Forget a model."""
    await session.execute(delete(ModelRow).where(ModelRow.id == model_id))


def _model(row: ModelRow) -> Model:
    return Model(row.id, row.project_id, row.algorithm, row.ready_at, row.accuracy)
