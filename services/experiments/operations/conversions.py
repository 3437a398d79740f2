"""Conversions: kept once under their id, tallied and announced, whatever door they came through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.context import Context

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


async def keep(
    tx: Transaction,
    reports: Sequence[Report],
    *,
    callers: Sequence[Caller | None] | None = None,
    contexts: Sequence[Context | None] | None = None,
) -> list[Outcome]:
    """Keep reports of one tenant and tell the others; return one outcome each, in order.

    A refusal touches its own report alone. `callers` bind reports to the project of a key,
    `contexts` continue the trace that each report came with.
    """
    refusals = await _refusals(tx, reports, callers or [None] * len(reports))
    accepted = [report for report, refusal in zip(reports, refusals, strict=True) if not refusal]
    present = await store.by_event_ids(tx.session, {each.event_id for each in accepted})
    fresh = {each.event_id: each for each in reversed(accepted) if each.event_id not in present}
    added = await store.add(tx.session, list(fresh.values()), tenant_id=tx.tenant_id)
    lost = fresh.keys() - added.keys()
    if lost:  # somebody else has just kept these ids
        present |= await store.by_event_ids(tx.session, lost)
    await tallies.add(tx, list(added.values()))
    outcomes: list[Outcome] = []
    new = set(added)
    for report, refusal, context in zip(
        reports, refusals, contexts or [None] * len(reports), strict=True
    ):
        if refusal:
            outcomes.append(refusal)
            continue
        conversion = present.get(report.event_id) or added[report.event_id]
        outcomes.append(_outcome(conversion, report, new=report.event_id in new))
        if report.event_id in new:
            new.discard(report.event_id)
            tx.emit(_announcement(tx, conversion), context=context)
    return outcomes


async def _refusals(
    tx: Transaction, reports: Sequence[Report], callers: Sequence[Caller | None]
) -> list[Problem | None]:
    slots = await slot_store.steady(tx.session, {report.slot_id for report in reports})
    named = {report.project_id for report in reports}
    projects = {slot.project_id for slot in slots.values()} & named
    if named - projects:
        projects |= await replicas.known_projects(tx.session, named - projects)
    return [
        _refusal(report, caller, slots.get(report.slot_id), known=report.project_id in projects)
        for report, caller in zip(reports, callers, strict=True)
    ]


def _refusal(
    report: Report, caller: Caller | None, slot: Slot | None, *, known: bool
) -> Problem | None:
    fields: dict[str, Any] = {}
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
