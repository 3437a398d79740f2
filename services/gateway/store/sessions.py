"""Sessions in the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update

from chassis.database import Transaction
from gateway.domain.people import Person
from gateway.store.people import person_of
from gateway.store.tables import PersonRow, SessionRow

#: Seconds in which two tabs, or a request that is sent again, may show the same refresh token.
_SENT_AGAIN_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in."""

    uid: str
    person_id: int
    generation: int
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    #: When each generation of the last seconds was spent, in seconds since 1970.
    spent: Mapping[str, float]

    def was_just_spent(self, generation: int, now: datetime) -> bool:
        """Tell whether a generation was spent so shortly ago that a client may send it again
        because it did not hear of the answer.
        """
        spent_at = self.spent.get(str(generation))
        return spent_at is not None and now.timestamp() - spent_at <= _SENT_AGAIN_WITHIN

    def spending(self, now: datetime) -> dict[str, float]:
        """Return `spent` once the present generation is spent, too."""
        moment = now.timestamp()
        young = {
            generation: spent_at
            for generation, spent_at in self.spent.items()
            if moment - spent_at <= _SENT_AGAIN_WITHIN
        }
        return {**young, str(self.generation): moment}

    def lives(self, now: datetime) -> bool:
        """Tell whether the session is neither over nor ended."""
        return self.ended_at is None and self.expires_at > now


async def open_for(tx: Transaction, person: Person, *, expires_at: datetime) -> Session:
    """Keep a new session of a person."""
    row = SessionRow(
        tenant_id=person.tenant_id,
        person_id=person.id,
        generation=0,
        created_at=tx.clock(),
        expires_at=expires_at,
    )
    tx.session.add(row)
    await tx.session.flush()
    return _session_of(row)


async def get(tx: Transaction, uid: str) -> tuple[Session, Person] | None:
    """Return a session and whose it is."""
    query = (
        select(SessionRow, PersonRow)
        .join(PersonRow, PersonRow.id == SessionRow.person_id)
        .where(SessionRow.uid == uid)
        .execution_options(populate_existing=True)  # another gateway may have moved it since
    )
    row = (await tx.session.execute(query)).first()
    return (_session_of(row[0]), person_of(row[1])) if row else None


async def live(tx: Transaction, uid: str | None) -> bool:
    """Tell whether a session has not ended; so has none that is not named."""
    found = await get(tx, uid) if uid is not None else None
    return uid is None or (found is not None and found[0].lives(tx.clock()))


async def advance(
    tx: Transaction, session: Session, *, generation: int, expires_at: datetime
) -> bool:
    """Move a session to the generation after this one; false where that was spent before."""
    if generation != session.generation:
        return False
    spent = session.spending(tx.clock())
    statement = (
        update(SessionRow)
        .where(
            SessionRow.uid == session.uid,
            SessionRow.generation == generation,
            SessionRow.ended_at.is_(None),
        )
        .values(generation=generation + 1, expires_at=expires_at, spent=spent)
    )
    result = await tx.session.execute(statement)
    return bool(result.rowcount)  # type: ignore[attr-defined]


async def end(tx: Transaction, uid: str) -> None:
    """End a session."""
    live = (SessionRow.uid == uid) & SessionRow.ended_at.is_(None)
    await tx.session.execute(update(SessionRow).where(live).values(ended_at=tx.clock()))


async def end_all(tx: Transaction, person_id: int, *, but: str | None = None) -> list[str]:
    """End the sessions of a person, one excepted if told; return their uids."""
    live = (SessionRow.person_id == person_id) & SessionRow.ended_at.is_(None)
    if but is not None:
        live &= SessionRow.uid != but
    uids = (await tx.session.execute(select(SessionRow.uid).where(live))).scalars().all()
    await tx.session.execute(update(SessionRow).where(live).values(ended_at=tx.clock()))
    return list(uids)


async def forget(tx: Transaction, *, before: datetime) -> None:
    """Delete sessions that were over before a moment."""
    await tx.session.execute(delete(SessionRow).where(SessionRow.expires_at < before))


def _session_of(row: SessionRow) -> Session:
    return Session(
        uid=row.uid,
        person_id=row.person_id,
        generation=row.generation,
        created_at=row.created_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        spent=row.spent or {},
    )
