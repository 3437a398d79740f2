"""Conversions from producers: read, kept in batches, and what is refused told to the tenant."""

from collections.abc import Sequence
from uuid import UUID

from pydantic import Field, TypeAdapter

from chassis.database import Transaction
from chassis.parsing import Unreadable, validated
from chassis.problems import Problem
from chassis.rejects import Refused
from chassis.subscriptions import IngestedRecord
from chassis.validation import problem_in
from chassis.wire import JsonValue
from contracts.conversions import IngestedConversion
from experiments.domain.conversions import Report
from experiments.operations import conversions
from experiments.operations.conversions import Told
from experiments.store import rejects


class _Record(IngestedConversion):
    metadata_json: JsonValue = Field(default_factory=dict)


_RECORD = TypeAdapter(_Record)


async def ingest(records: Sequence[IngestedRecord], tx: Transaction) -> None:
    """Keep what can be kept; the rest goes to the tenant's topic of rejects, each record once."""
    read: list[tuple[IngestedRecord, Report]] = []
    refused: list[Refused] = []
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
    await rejects.tell(tx, refused)


def report_of(record: IngestedRecord) -> Report:
    """Return what a record says.

    Raises:
        Problem: it cannot be read, or holds what cannot be stored.
    """
    try:
        told = validated(record.value, _RECORD)
    except Unreadable as error:
        raise problem_in(error) from None
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
        occurred_at=record.time_of(told.timestamp),
        time_told=told.timestamp is not None,
    )


def _text(request_id: UUID | None) -> str | None:
    return None if request_id is None else str(request_id)
