"""Conversions: kept once under their id, tallied and announced, whatever door they came through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from opentelemetry.context import Context

from chassis import erasures
from chassis.database import Transaction
from chassis.identity import Caller
from chassis.problems import Conflict, Forbidden, Invalid, Problem, unknown_reference
from chassis.wire import Page
from contracts.conversions import ConversionRecorded, ConversionType
from experiments.domain.conversions import CENTIUNITS, Conversion, Report
from experiments.domain.slots import Slot
from experiments.operations import tallies
from experiments.operations.filters import conditions
from experiments.store import conversions as store
from experiments.store import replicas
from experiments.store import slots as slot_store


@dataclass(frozen=True, slots=True)
class Told:
    """A report, who told it, and the trace that it came with."""

    report: Report
    #: Binds the report to the project of a key; a producer is bound by its topic alone.
    caller: Caller | None = None
    context: Context | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A report that is kept: by this call, or by an earlier one under the same id."""

    conversion: Conversion
    duplicate: bool


Outcome = Kept | Problem


class Conversions:
    """The declared resource `conversion_event`: read only, because events do not change."""

    noun: str = "ConversionEvent"

    async def find(
        self, tx: Transaction, *, page: Page, where: Mapping[str, Any]
    ) -> tuple[Sequence[Conversion], int]:
        """Return a page of conversions."""
        wanted = conditions(tx.caller, where, event_type=ConversionType)
        if wanted is None:
            return [], 0
        return await store.find(tx.session, wanted, offset=page.offset, limit=page.size)

    async def get(self, tx: Transaction, row_id: int) -> Conversion | None:
        """Return a conversion that the caller may see."""
        conversion = await store.get(tx.session, row_id)
        return conversion if conversion and tx.caller.may_see(conversion.project_id) else None


async def keep(tx: Transaction, told: Sequence[Told]) -> list[Outcome]:
    """Keep one tenant's reports and tell the others; return one outcome each, in order.

    A refusal touches its own report alone.
    """
    told = await _nameless_where_erased(tx, told)
    refusals = await _refusals(tx, told)
    accepted = [
        each.report for each, refusal in zip(told, refusals, strict=True) if refusal is None
    ]
    present, added = await _present_and_added(tx, accepted)
    await tallies.add(tx, list(added.values()))
    outcomes: list[Outcome] = []
    for each, refusal in zip(told, refusals, strict=True):
        if refusal is not None:
            outcomes.append(refusal)
            continue
        event_id = each.report.event_id
        new = event_id not in present
        if new:
            present[event_id] = added[event_id]
            tx.emit(_announcement(tx, added[event_id]), context=each.context)
        outcomes.append(_outcome(present[event_id], each.report, new=new))
    return outcomes


async def _nameless_where_erased(tx: Transaction, told: Sequence[Told]) -> Sequence[Told]:
    """Take the names of erased people from what they did before that.

    It counts as it would have done, had it come before the erasure.
    """
    erased = await erasures.among(tx, {each.report.user_id for each in told})
    return [
        replace(each, report=each.report.nameless())
        if erased.covers(each.report.user_id, each.report.occurred_at)
        else each
        for each in told
    ]


async def _present_and_added(
    tx: Transaction, reports: Sequence[Report]
) -> tuple[dict[str, Conversion], dict[str, Conversion]]:
    """Keep the reports whose ids are new; return what was there before, and what is new."""
    present = await store.by_event_ids(tx.session, {report.event_id for report in reports})
    # Of two reports under one id the first one stands.
    fresh = {each.event_id: each for each in reversed(reports) if each.event_id not in present}
    added = await store.add(tx.session, list(fresh.values()), tenant_id=tx.tenant_id)
    lost = fresh.keys() - added.keys()
    if lost:  # somebody else has just kept these ids
        present |= await store.by_event_ids(tx.session, lost)
    return present, added


async def _refusals(tx: Transaction, told: Sequence[Told]) -> list[Problem | None]:
    reports = [each.report for each in told]
    slots = await slot_store.steady(tx.session, {report.slot_id for report in reports})
    named = {report.project_id for report in reports}
    projects = {slot.project_id for slot in slots.values()} & named
    if named - projects:
        projects |= await replicas.known_projects(tx.session, named - projects)
    return [
        _refusal(
            each.report,
            each.caller,
            slots.get(each.report.slot_id),
            known=each.report.project_id in projects,
        )
        for each in told
    ]


def _refusal(
    report: Report, caller: Caller | None, slot: Slot | None, *, known: bool
) -> Problem | None:
    fields: dict[str, Any] = {}
    hidden = frozenset() if caller is None else caller.hidden
    known &= report.project_id not in hidden
    if slot is not None and slot.project_id in hidden:
        slot = None
    if not known:
        fields |= unknown_reference("project", report.project_id).fields
    elif caller is not None and not caller.may_see(report.project_id):
        return Forbidden("API key not authorized for this project")
    if slot is None:
        fields |= unknown_reference("deployment_slot", report.slot_id).fields
    if fields:
        return Invalid(fields=fields)
    if slot is not None and slot.project_id != report.project_id:
        return Forbidden("Deployment slot does not belong to the specified project")
    return None


def _outcome(conversion: Conversion, report: Report, *, new: bool) -> Outcome:
    if not conversion.repeats(report):
        return Conflict("Another conversion was recorded under this event id.")
    return Kept(conversion, duplicate=not new)


def _announcement(tx: Transaction, conversion: Conversion) -> ConversionRecorded:
    return ConversionRecorded(
        event_id=conversion.event_id,
        tenant_id=tx.tenant_id,
        occurred_at=conversion.occurred_at,
        conversion_id=conversion.id,
        project_id=conversion.project_id,
        slot_id=conversion.slot_id,
        user_id=conversion.user_id,
        item_id=conversion.item_id,
        conversion_type=conversion.conversion_type,
        request_id=conversion.request_id,
        source=conversion.source,
        centiunits=CENTIUNITS[conversion.source],
    )
