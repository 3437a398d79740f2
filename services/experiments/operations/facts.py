"""Facts of other services, as they arrive: projects and models come, change and go."""

from chassis.database import Transaction
from contracts.catalog import ProjectChanged, ProjectDeleted
from contracts.models import ModelReady, ModelRetired
from experiments.domain.models import Model, accuracy_of
from experiments.domain.slots import Project
from experiments.operations import slots
from experiments.store import replicas


async def project_changed(event: ProjectChanged | ProjectDeleted, tx: Transaction) -> None:
    """Follow catalog: a project that is gone takes its slots along."""
    if isinstance(event, ProjectChanged):
        project = Project(
            id=event.project_id,
            name=event.name,
            is_default=event.is_default,
            owner_id=event.owner,
            revision=event.revision,
        )
        await replicas.keep_project(tx.session, project)
        return
    await slots.clear(tx, event.project_id)
    await replicas.drop_project(tx.session, event.project_id)


async def model_changed(event: ModelReady | ModelRetired, tx: Transaction) -> None:
    """Follow training: a model that is ready may be deployed, one that is gone takes its slots."""
    if isinstance(event, ModelReady):
        model = Model(
            id=event.model_id,
            project_id=event.project_id,
            algorithm=event.algorithm,
            ready_at=event.occurred_at,
            accuracy=accuracy_of(event.metrics),
        )
        if await replicas.keep_model(tx.session, model):
            await slots.deploy(tx, event)
        return
    await slots.retire(tx, event.model_id)
    await replicas.drop_model(tx.session, event.model_id)
