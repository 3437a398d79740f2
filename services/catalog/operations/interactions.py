"""Keep interactions, each once under its event id, whichever door it came through."""

from collections.abc import Sequence
from datetime import datetime

from catalog.domain.interactions import Interaction, Kept
from catalog.operations import items
from catalog.store import interactions as store
from chassis import erasures
from chassis.batching import GroupWriter
from chassis.database import Database, Transaction
from chassis.problems import Conflict, Unavailable

Outcome = Kept | Conflict


async def keep(tx: Transaction, interactions: Sequence[Interaction]) -> list[Outcome]:
    """Keep what is new and name what repeats or contradicts an event that is kept; in order.

    What is kept is announced by the relay, which walks the table itself.
    """
    erased = await erasures.among(tx, {each.user_id for each in interactions})
    await store.take_turns(tx, tx.tenant_id)
    known = await store.by_event_id(tx, [each.event_id for each in interactions])
    fresh: dict[str, Interaction] = {}
    outcomes: list[Outcome] = []
    for each in interactions:
        before = known.get(each.event_id) or fresh.get(each.event_id)
        if erased.covers(each.user_id, each.occurred_at):
            outcomes.append(_erased(each))
        elif before is None:
            fresh[each.event_id] = each
            outcomes.append(Kept(each, duplicate=False))
        elif each.repeats(before):
            outcomes.append(Kept(before, duplicate=True))
        else:
            outcomes.append(_contradiction(each))
    await store.insert(tx, fresh.values(), tenant_id=tx.tenant_id, recorded_at=tx.clock())
    await items.mention(tx, {each.item_id for each in fresh.values()})
    return outcomes


async def record_all(tx: Transaction, interactions: Sequence[Interaction]) -> list[Kept]:
    """Keep a batch, all or nothing.

    Raises:
        Conflict: some of the events are kept with another body; the positions tell which.
    """
    outcomes = await keep(tx, interactions)
    refused = {n: each for n, each in enumerate(outcomes) if isinstance(each, Conflict)}
    if refused:
        raise Conflict(
            fields={f"interactions.{n}.eventId": [each.detail] for n, each in refused.items()}
        )
    return [each for each in outcomes if isinstance(each, Kept)]


async def erase_person(tx: Transaction, person_uid: str, *, at: datetime) -> int:
    """Delete what a person did until then; return how many interactions that were.

    What of it comes later is refused.
    """
    if not await erasures.note(tx, person_uid, at=at):
        return 0
    return await store.erase_user(tx, person_uid, until=at)


class Recorder:
    """Single interactions that arrive together are kept together, in one transaction."""

    def __init__(self, database: Database) -> None:
        """Write to one database."""
        self._database = database
        self._writer = GroupWriter[tuple[str, Interaction], Kept](self._write)

    async def record(self, tenant_id: str, interaction: Interaction) -> Kept:
        """Return once the interaction is committed.

        Raises:
            Conflict: the event is kept with another body.
            Unavailable: too many wait already.
        """
        try:
            return await self._writer.submit((tenant_id, interaction))
        except OverflowError:
            raise Unavailable("Too many interactions wait to be written; try again.") from None

    async def _write(self, group: Sequence[tuple[str, Interaction]]) -> list[Outcome]:
        tenants: dict[str, list[int]] = {}
        for position, (tenant_id, _interaction) in enumerate(group):
            tenants.setdefault(tenant_id, []).append(position)
        outcomes: dict[int, Outcome] = {}
        async with self._database.transaction() as tx:
            # In one order everywhere, so that two writers never wait for each other's tenant.
            for tenant_id in sorted(tenants):
                positions = tenants[tenant_id]
                async with tx.scoped(tenant_id):
                    kept = await keep(tx, [group[position][1] for position in positions])
                outcomes |= dict(zip(positions, kept, strict=True))
        return [outcomes[position] for position in range(len(group))]


def _erased(interaction: Interaction) -> Conflict:
    return Conflict(f'The user of the event "{interaction.event_id}" was erased after it happened.')


def _contradiction(interaction: Interaction) -> Conflict:
    return Conflict(f'The event "{interaction.event_id}" was recorded with another body.')
