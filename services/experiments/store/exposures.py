"""Exposures at rest: what each user was shown in each arm, changed under a lock of the user's row.

Everybody takes rows in one order (test, slot, user), so that replicas do not block each other.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.ids import new_uid
from chassis.upserts import insert_new
from experiments.domain.exposures import Exposure, Facts, Marks
from experiments.domain.samples import Sample
from experiments.store.tables import EXPOSURE_COUNTS, ShownUserRow, UserRequestRow

_CHUNK = 200

Requests = Mapping[tuple[str, str], UserRequestRow]


async def add(
    session: AsyncSession,
    test_id: int,
    slot_id: int,
    facts: Mapping[str, Facts],
    *,
    tenant_id: str,
) -> Sample:
    """Add facts to the exposures of an arm's users; return what the arm's sample gains."""
    gained = Sample()
    if not facts:
        return gained
    arm = {"tenant_id": tenant_id, "test_id": test_id, "slot_id": slot_id}
    await _know(session, arm, sorted(facts))
    users = await _held(session, test_id, slot_id, sorted(facts))
    # Who has just been erased is not among them, and leaves no requests either.
    held = {row.user_id: facts[row.user_id] for row in users}
    # Read after the users are held: what others told of their requests is committed by now.
    requests = await _requests(session, test_id, slot_id, held)
    for row in users:
        told = held[row.user_id]
        before = Exposure(**{name: getattr(row, name) for name in EXPOSURE_COUNTS})
        known = {
            request_id: Marks(requests[key].shown, requests[key].converted)
            for request_id in told.requests
            if (key := (row.user_id, request_id)) in requests
        }
        after = before.after(told, known)
        for name in EXPOSURE_COUNTS:
            setattr(row, name, getattr(after, name))
        gained += after.sample - before.sample
    await _mark(session, arm, held, requests)
    return gained


async def forget_user(session: AsyncSession, user_id: str) -> None:
    """Leave of a user how much each arm showed and won, under an id that means nothing."""
    mine = select(ShownUserRow).where(ShownUserRow.user_id == user_id)
    ordered = mine.order_by(ShownUserRow.test_id, ShownUserRow.slot_id).with_for_update()
    for row in (await session.execute(ordered)).scalars().all():
        await session.execute(
            delete(UserRequestRow).where(
                UserRequestRow.test_id == row.test_id,
                UserRequestRow.slot_id == row.slot_id,
                UserRequestRow.user_id == user_id,
            ),
            execution_options={"synchronize_session": False},
        )
        row.user_id, row.erased = new_uid(), True
    await session.flush()


async def _know(session: AsyncSession, arm: Mapping[str, Any], users: Sequence[str]) -> None:
    empty = dict.fromkeys(EXPOSURE_COUNTS, 0) | {"erased": False}
    table = ShownUserRow.metadata.tables[ShownUserRow.__tablename__]
    await insert_new(session, table, [{**arm, "user_id": user_id, **empty} for user_id in users])


async def _held(
    session: AsyncSession, test_id: int, slot_id: int, users: Sequence[str]
) -> list[ShownUserRow]:
    query = (
        select(ShownUserRow)
        .where(
            ShownUserRow.test_id == test_id,
            ShownUserRow.slot_id == slot_id,
            ShownUserRow.user_id.in_(users),
        )
        .order_by(ShownUserRow.user_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list((await session.execute(query)).scalars())


async def _requests(
    session: AsyncSession, test_id: int, slot_id: int, facts: Mapping[str, Facts]
) -> Requests:
    """Return the rows of the users' requests that are there already."""
    named = [(user, request) for user in facts for request in facts[user].requests]
    found: dict[tuple[str, str], UserRequestRow] = {}
    for start in range(0, len(named), _CHUNK):
        query = select(UserRequestRow).where(
            _among(test_id, slot_id, named[start : start + _CHUNK])
        )
        fresh = query.execution_options(populate_existing=True)
        rows = (await session.execute(fresh)).scalars()
        found.update({(row.user_id, row.request_id): row for row in rows})
    return found


def _among(test_id: int, slot_id: int, named: Sequence[tuple[str, str]]) -> ColumnElement[bool]:
    key = tuple_(UserRequestRow.user_id, UserRequestRow.request_id)
    return (
        (UserRequestRow.test_id == test_id) & (UserRequestRow.slot_id == slot_id) & key.in_(named)
    )


async def _mark(
    session: AsyncSession, arm: Mapping[str, Any], facts: Mapping[str, Facts], known: Requests
) -> None:
    new = []
    for user_id, request_id, marks in _told(facts):
        row = known.get((user_id, request_id))
        if row is None:
            members = {"shown": marks.shown, "converted": marks.converted}
            new.append({**arm, "user_id": user_id, "request_id": request_id, **members})
        else:
            row.shown, row.converted = row.shown or marks.shown, row.converted or marks.converted
    await session.flush()
    table = UserRequestRow.metadata.tables[UserRequestRow.__tablename__]
    await insert_new(session, table, new)


def _told(facts: Mapping[str, Facts]) -> Iterator[tuple[str, str, Marks]]:
    for user_id, told in facts.items():
        for request_id, marks in told.requests.items():
            yield user_id, request_id, marks
