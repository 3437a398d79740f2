"""What experiments listens to; the body of each is one operation."""

from chassis.subscriptions import Subscription, each, ingested, together
from contracts.catalog import ItemChanged, ItemDeleted, ProjectChanged, ProjectDeleted
from contracts.models import ModelReady, ModelRetired
from contracts.tenants import PersonErased
from contracts.topics import (
    CATALOG_CHANGES,
    INGEST_CONVERSIONS,
    INTERACTIONS,
    MODEL_READY,
    SERVINGS,
    TENANTS,
)
from experiments.operations import analytics, facts, people
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
        each(MODEL_READY, facts.model_changed, name="models", only=(ModelReady, ModelRetired)),
        each(TENANTS, people.erase, name="erasures", only=(PersonErased,)),
        ingested(INGEST_CONVERSIONS, ingest, name="conversions"),
        together(INTERACTIONS, analytics.interacted, name="interactions"),
        together(SERVINGS, analytics.served, name="servings"),
        together(
            CATALOG_CHANGES, analytics.items_changed, name="items", only=(ItemChanged, ItemDeleted)
        ),
    ]
