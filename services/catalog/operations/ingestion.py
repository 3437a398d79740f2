"""Take what producers write to their own topic: keep what is sound, tell why the rest is not."""

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.domain.interactions import Interaction
from catalog.domain.refusals import Refusal, Source
from catalog.operations import interactions
from catalog.store import rejects
from chassis.database import Transaction
from chassis.problems import Conflict
from contracts.topics import INGEST_REJECTED


@dataclass(frozen=True, slots=True)
class Received:
    """A sound record, and where it stands."""

    interaction: Interaction
    source: Source
    record: bytes


async def take(tx: Transaction, records: Sequence[Received | Refusal]) -> None:
    """Keep a batch of one tenant's records and send back what is refused."""
    refusals = [each for each in records if isinstance(each, Refusal)]
    received = [each for each in records if isinstance(each, Received)]
    if received:
        outcomes = await interactions.keep(tx, [each.interaction for each in received])
        refusals += [
            _contradiction(each, outcome)
            for each, outcome in zip(received, outcomes, strict=True)
            if isinstance(outcome, Conflict)
        ]
    if refusals:
        await _tell(tx, refusals)


async def _tell(tx: Transaction, refusals: Sequence[Refusal]) -> None:
    untold = await rejects.untold(tx, [each.source.key for each in refusals])
    for each in refusals:
        if each.source.key in untold:
            tx.send(
                INGEST_REJECTED.of(tx.tenant_id),
                key=each.source.key,
                value=each.to_bytes(tx.clock()),
                event_id=each.source.key,
            )


def _contradiction(received: Received, conflict: Conflict) -> Refusal:
    return Refusal(
        source=received.source,
        record=received.record,
        code=conflict.code_constant,
        field="eventId",
        message=conflict.detail,
    )
