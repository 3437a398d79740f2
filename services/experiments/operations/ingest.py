"""Conversions from producers: read, kept in batches, and what is refused told to the tenant."""

from collections.abc import Sequence
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from chassis.database import Transaction
from chassis.problems import Invalid, Malformed, Problem
from chassis.subscriptions import IngestedRecord
from chassis.validation import message_of
from chassis.wire import JsonValue
from contracts.conversions import IngestedConversion
from contracts.topics import INGEST_REJECTED
from experiments.domain.conversions import Report
from experiments.domain.rejections import Rejection, Source
from experiments.operations import conversions
from experiments.operations.conversions import Told
from experiments.store import rejects

_STORABLE: TypeAdapter[object] = TypeAdapter(JsonValue)


async def ingest(records: Sequence[IngestedRecord], tx: Transaction) -> None:
    """Keep what can be kept; the rest goes to the tenant's topic of rejects, each record once."""
    read: list[tuple[IngestedRecord, Report]] = []
    refused: list[tuple[IngestedRecord, Problem]] = []
    for record in records:
        try:
            read.append((record, report_of(record)))
        except Problem as problem:
            refused.append((record, problem))
    outcomes = await conversions.keep(
        tx, [Told(report, context=record.context) for record, report in read]
    )
    for (record, _report), outcome in zip(read, outcomes, strict=True):
        if isinstance(outcome, Problem):
            refused.append((record, outcome))
    await _reject(tx, refused)


def report_of(record: IngestedRecord) -> Report:
    """Return what a record says.

    Raises:
        Problem: it cannot be read, or holds what cannot be stored.
    """
    try:
        told = IngestedConversion.model_validate_json(record.value)
        _STORABLE.validate_python(told.metadata_json)
    except ValidationError as error:
        raise _problem_of(error) from None
    return Report(
        project_id=told.project,
        slot_id=told.deployment_slot,
        user_id=told.user_id,
        item_id=told.item_id,
        conversion_type=told.event_type,
        request_id=_text(told.recommendation_request_id),
        details=told.metadata_json,
        source="kafka",
        event_id=told.event_id or record.fallback_event_id,
        occurred_at=told.timestamp or record.timestamp,
        time_told=told.timestamp is not None,
    )


def _text(request_id: UUID | None) -> str | None:
    return None if request_id is None else str(request_id)


def _problem_of(error: ValidationError) -> Problem:
    found = error.errors(include_url=False)[0]
    message = message_of(dict(found))
    if found["type"] == "json_invalid":
        return Malformed(f"The record is not JSON: {message}")
    name = str(found["loc"][0]) if found["loc"] else "metadata_json"
    return Invalid(fields={name: [message]})


async def _reject(tx: Transaction, refused: Sequence[tuple[IngestedRecord, Problem]]) -> None:
    """Tell the tenant about refused records, once however often a record is read again."""
    ids = [record.fallback_event_id for record, _problem in refused]
    fresh = await rejects.first_seen(tx.session, ids)
    for record, problem in refused:
        if record.fallback_event_id in fresh:
            tx.send(
                INGEST_REJECTED.of(tx.tenant_id),
                key=record.fallback_event_id,
                value=_rejection(tx, record, problem).to_bytes(),
                event_id=record.fallback_event_id,
            )


def _rejection(tx: Transaction, record: IngestedRecord, problem: Problem) -> Rejection:
    field = next(iter(problem.fields), None)
    message = str(problem.fields[field][0]) if field else problem.detail
    return Rejection(
        code=problem.code_constant,
        field=field,
        message=message,
        source=Source(record.topic, record.partition, record.offset),
        record=record.value,
        rejected_at=tx.clock(),
    )
