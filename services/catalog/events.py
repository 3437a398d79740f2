"""What catalog listens to: producers, new tenants, people who leave, models as they come."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from catalog.domain.interactions import Interaction, canonical
from catalog.operations import ingestion, interactions, outcomes, tenants
from chassis import telemetry
from chassis.database import Transaction
from chassis.parsing import Unreadable, validated
from chassis.problems import Problem
from chassis.subscriptions import IngestedRecord, Subscription, each, ingested
from chassis.validation import problem_in
from chassis.wire import JsonObject
from contracts.interactions import IngestedInteraction
from contracts.models import ModelEvent
from contracts.tenants import PersonErased, TenantRegistered
from contracts.topics import INGEST_INTERACTIONS, MODEL_READY, TENANTS


class _Record(IngestedInteraction):
    metadata: JsonObject | None = None


_RECORD = TypeAdapter(_Record)


def subscriptions() -> list[Subscription]:
    """Return everything that catalog listens to."""
    return [
        ingested(INGEST_INTERACTIONS, interactions_ingested, name="interactions"),
        each(TENANTS, tenant_registered, name="tenants", only=(TenantRegistered,)),
        each(TENANTS, person_erased, name="erasures", only=(PersonErased,)),
        each(MODEL_READY, model_or_tuning_changed, name="outcomes"),
    ]


async def interactions_ingested(records: Sequence[IngestedRecord], tx: Transaction) -> None:
    """Keep what a producer wrote; send back what is unsound."""
    await ingestion.take(tx, [(record, _read(record)) for record in records])


async def tenant_registered(happened: TenantRegistered, tx: Transaction) -> None:
    """Make a new tenant's default project."""
    await tenants.welcome(tx, happened)


async def person_erased(happened: PersonErased, tx: Transaction) -> None:
    """Delete what a person did."""
    await interactions.erase_person(tx, happened.person_uid, at=happened.occurred_at)


async def model_or_tuning_changed(happened: ModelEvent, tx: Transaction) -> None:
    """Keep what a project's summary counts."""
    await outcomes.note(tx, happened)


def _read(record: IngestedRecord) -> Interaction | Problem:
    try:
        return _interaction(validated(record.value, _RECORD), record)
    except Unreadable as error:
        return problem_in(error)
    except Problem as problem:
        return problem


def _interaction(sent: _Record, record: IngestedRecord) -> Interaction:
    return Interaction(
        event_id=sent.event_id or record.fallback_event_id,
        user_id=sent.user_id,
        item_id=sent.item_id,
        interaction_type=sent.interaction_type,
        occurred_at=record.time_of(sent.timestamp),
        timed=sent.timestamp is not None,
        value=sent.value,
        session_id=sent.session_id,
        request_id=sent.request_id,
        metadata=canonical(sent.metadata),
        source="kafka",
        trace=_trace(record),
    )


def _trace(record: IngestedRecord) -> str | None:
    if record.context is None:
        return None
    return telemetry.inject(record.context).get("traceparent")
