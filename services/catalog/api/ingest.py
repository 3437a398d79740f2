"""`/api/v1/ingest`: where a tenant's producers connect, and what they may write there."""

from typing import Any

from fastapi import Request

from catalog.operations.ingest_topics import IngestTopics
from chassis.identity import CurrentCaller, needs
from chassis.wire import Wire, router
from contracts.conversions import IngestedConversion
from contracts.interactions import IngestedInteraction
from contracts.topics import INGEST_CONVERSIONS, INGEST_INTERACTIONS, INGEST_REJECTED

ingest_router = router(tags=["ingest"], dependencies=[needs("write")])

_INTERACTION = IngestedInteraction.model_json_schema(by_alias=True)
_CONVERSION = IngestedConversion.model_json_schema(by_alias=True)


class IngestOut(Wire):
    bootstrap_servers: str
    interactions_topic: str
    conversions_topic: str
    rejected_topic: str
    interaction_schema: dict[str, Any]
    conversion_schema: dict[str, Any]


@ingest_router.get("/api/v1/ingest")
async def describe(caller: CurrentCaller, request: Request) -> IngestOut:
    """Tell a tenant its brokers, its topics and the schemas of what it may write. The first call
    makes the topics.
    """
    topics: IngestTopics = request.app.state.ingest_topics
    await topics.open_for(caller)
    return IngestOut(
        bootstrap_servers=request.app.state.settings.producers_url,
        interactions_topic=INGEST_INTERACTIONS.of(caller.tenant_id),
        conversions_topic=INGEST_CONVERSIONS.of(caller.tenant_id),
        rejected_topic=INGEST_REJECTED.of(caller.tenant_id),
        interaction_schema=_INTERACTION,
        conversion_schema=_CONVERSION,
    )
