"""The doors that conversions come through over HTTP: one by one, and in batches."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from opentelemetry.context import get_current

from chassis.batching import GroupWriter
from chassis.database import Database, Transaction, needs_reach
from chassis.identity import Caller
from chassis.problems import Problem, Unavailable
from experiments.domain.conversions import Report
from experiments.operations import conversions
from experiments.operations.conversions import Kept, Told
from experiments.operations.positions import positional
from experiments.store.replicas import not_owned_by


class SingleDoor:
    """Single reports: those that wait together are kept together, and answered after the commit."""

    def __init__(self, database: Database) -> None:
        """Keep reports in one database."""
        self._database = database
        self._writer = GroupWriter[tuple[str, Told], Kept](self._keep)

    async def record(self, report: Report, caller: Caller) -> Kept:
        """Return the report as it was kept.

        Raises:
            Problem: the report is refused, or too many wait.
        """
        try:
            return await self._writer.submit(
                (caller.tenant_id, Told(report, caller, get_current()))
            )
        except OverflowError:
            raise Unavailable("Too many conversions wait; try again.") from None

    async def _keep(self, waiting: Sequence[tuple[str, Told]]) -> list[Kept | Exception]:
        tenants: dict[str, list[int]] = defaultdict(list)
        for place, (tenant_id, _told) in enumerate(waiting):
            tenants[tenant_id].append(place)
        found: dict[int, Kept | Exception] = {}
        async with self._database.transaction() as tx:
            # In one order everywhere, so that two replicas never wait for each other's tenant.
            for tenant_id, places in sorted(tenants.items()):
                async with tx.scoped(tenant_id):
                    told = await _narrowed(tx, [waiting[place][1] for place in places])
                    outcomes = await conversions.keep(tx, told)
                found.update(zip(places, outcomes, strict=True))
        return [found[place] for place in range(len(waiting))]


async def _narrowed(tx: Transaction, told: Sequence[Told]) -> list[Told]:
    """Keep the projects of others from each who tells: the transaction is nobody's own."""
    people = {t.caller.person_id for t in told if t.caller is not None and needs_reach(t.caller)}
    hidden = {person: await not_owned_by(tx, person) for person in people}
    return [
        replace(t, caller=replace(t.caller, hidden=hidden[t.caller.person_id]))
        if t.caller is not None and needs_reach(t.caller)
        else t
        for t in told
    ]


async def record_batch(tx: Transaction, reports: Sequence[Report]) -> list[Kept]:
    """Keep a batch, or nothing of it.

    Raises:
        Problem: a report is refused; the answer says at each position why.
    """
    outcomes = await conversions.keep(tx, [Told(report, tx.caller) for report in reports])
    refusals = [each if isinstance(each, Problem) else None for each in outcomes]
    if any(refusals):
        raise positional(refusals)
    return [each for each in outcomes if isinstance(each, Kept)]
