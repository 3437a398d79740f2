"""Take what producers write to their own topic: keep what is sound, tell why the rest is not."""

from collections.abc import Sequence

from catalog.domain.interactions import Interaction
from catalog.operations import interactions
from catalog.store import rejects
from chassis.database import Transaction
from chassis.problems import Conflict, Problem
from chassis.subscriptions import IngestedRecord


async def take(
    tx: Transaction, records: Sequence[tuple[IngestedRecord, Interaction | Problem]]
) -> None:
    """Keep a batch of one tenant's records and send back what is refused."""
    refused = [(record, read) for record, read in records if isinstance(read, Problem)]
    received = [(record, read) for record, read in records if isinstance(read, Interaction)]
    if received:
        outcomes = await interactions.keep(tx, [read for _record, read in received])
        refused += [
            (record, Conflict(fields={"eventId": [outcome.detail]}))
            for (record, _read), outcome in zip(received, outcomes, strict=True)
            if isinstance(outcome, Conflict)
        ]
    await rejects.tell(tx, refused)
