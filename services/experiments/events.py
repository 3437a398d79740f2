"""What experiments listens to; the body of each is one operation."""

from chassis.subscriptions import Subscription, each, ingested
from contracts.catalog import ProjectChanged, ProjectDeleted
from contracts.topics import CATALOG_CHANGES, INGEST_CONVERSIONS, MODEL_READY
from experiments.operations import facts
from experiments.operations.ingest import ingest


def subscriptions() -> list[Subscription]:
    """Return every subscription; the names are consumer groups and stay."""
    return [
        each(
            CATALOG_CHANGES,
            facts.project_changed,
            name="projects",
            only=(ProjectChanged, ProjectDeleted),
        ),
        each(MODEL_READY, facts.model_changed, name="models"),
        ingested(INGEST_CONVERSIONS, ingest, name="conversions"),
    ]
