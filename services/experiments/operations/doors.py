"""The doors that conversions come through: one by one over HTTP, in batches, and from Kafka."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.context import Context, get_current

from chassis.batching import GroupWriter
from chassis.database import Database, Transaction
from chassis.identity import Caller
from chassis.problems import Problem, Unavailable
from experiments.domain.conversions import Report
from experiments.operations import conversions
from experiments.operations.conversions import Kept, Outcome
from experiments.operations.positions import positional


@dataclass(frozen=True, slots=True)
class _Told:
    """A report, who told it and the trace it came with."""

    report: Report
    caller: Caller
    context: Context


class SingleDoor:
    """Single reports: those that wait together are kept together, and answered after the commit."""

    def __init__(self, database: Database) -> None:
        """Keep reports in one database."""
        self._database = database
        self._writer = GroupWriter[_Told, Kept](self._keep)

    async def record(self, report: Report, caller: Caller) -> Kept:
        """Return the report as it was kept.

        Raises:
            Problem: the report is refused, or too many wait.
        """
        try:
            return await self._writer.submit(_Told(report, caller, get_current()))
        except OverflowError:
            raise Unavailable("Too many conversions wait; try again.") from None

    async def _keep(self, told: Sequence[_Told]) -> list[Kept | Exception]:
        tenants: dict[str, list[int]] = defaultdict(list)
        for place, each in enumerate(told):
            tenants[each.caller.tenant_id].append(place)
        found: dict[int, Kept | Exception] = {}
        async with self._database.transaction() as tx:
            for tenant_id, places in tenants.items():
                async with tx.scoped(tenant_id):
                    outcomes = await _keep_some(tx, [told[place] for place in places])
                found.update(zip(places, outcomes, strict=True))
        return [found[place] for place in range(len(told))]


async def _keep_some(tx: Transaction, told: Sequence[_Told]) -> list[Outcome]:
    return await conversions.keep(
        tx,
        [each.report for each in told],
        callers=[each.caller for each in told],
        contexts=[each.context for each in told],
    )


async def record_batch(tx: Transaction, reports: Sequence[Report]) -> list[Kept]:
    """Keep a batch, or nothing of it.

    Raises:
        Problem: a report is refused; the answer says at each position why.
    """
    outcomes = await conversions.keep(tx, reports, callers=[tx.caller] * len(reports))
    refusals = [each if isinstance(each, Problem) else None for each in outcomes]
    if any(refusals):
        raise positional(refusals)
    return [each for each in outcomes if isinstance(each, Kept)]
