"""Records of a tenant's producer that are refused: told to the tenant, each once."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import MetaData

from chassis import inbox
from chassis.database import Transaction
from chassis.problems import Problem
from chassis.subscriptions import IngestedRecord
from contracts.rejected import Rejected
from contracts.topics import INGEST_REJECTED

#: A record, and why it was refused.
Refused = tuple[IngestedRecord, Problem]


async def tell(
    tx: Transaction, metadata: MetaData, refused: Sequence[Refused], *, subscription: str
) -> None:
    """Tell the tenant with the commit; a record that is read again was told already.

    `subscription` names what is remembered of them in the inbox, so it stays.
    """
    if not refused:
        return
    told = [_rejected(record, problem, tx.clock()) for record, problem in refused]
    fresh = await inbox.unseen(
        await tx.session.connection(),
        metadata,
        subscription=subscription,
        ids=[each.place for each in told],
        at=tx.clock(),
    )
    for each in told:
        if each.place in fresh:
            tx.send(
                INGEST_REJECTED.of(tx.tenant_id),
                key=each.place,
                value=each.to_bytes(),
                event_id=each.place,
            )


def _rejected(record: IngestedRecord, problem: Problem, at: datetime) -> Rejected:
    field = next(iter(problem.fields), None)
    return Rejected(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        record=record.value,
        code=problem.code_constant,
        field=field,
        message=problem.detail if field is None else str(problem.fields[field][0]),
        at=at,
    )
