"""References to what other services own: the fact may still be on its way."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from chassis.database import Database, Transaction
from chassis.identity import Caller
from chassis.problems import Invalid, unknown_reference
from training.domain.replicas import DataFile, Project
from training.store import replicas

T = TypeVar("T")

#: How long a fact may take from another service's commit to this one's replica, in seconds.
PATIENCE = 2.0
_PAUSE = 0.1


class ReferenceUnknown(Invalid):
    """No replica has what the request names; it may come."""

    @classmethod
    def of(cls, field: str, value: object) -> "ReferenceUnknown":
        """Return the refusal, the same for what never was and for what is another tenant's."""
        return cls(fields=unknown_reference(field, value).fields)


async def patiently(
    database: Database,
    caller: Caller,
    work: Callable[[Transaction], Awaitable[T]],
    *,
    unknown: type[Exception] = ReferenceUnknown,
    write: bool = True,
) -> T:
    """Do the work in a transaction; while a reference is `unknown`, wait outside and repeat."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            async with database.transaction(caller, write=write) as tx:
                return await work(tx)
        except unknown:
            if asyncio.get_running_loop().time() >= deadline:
                raise
        await asyncio.sleep(_PAUSE)


async def project(tx: Transaction, project_id: int, *, field: str = "project") -> Project:
    """Return the project that a body names."""
    found = await replicas.project(tx, project_id)
    if found is None or not tx.caller.may_see(project_id):
        raise ReferenceUnknown.of(field, project_id)
    return found


async def training_data(tx: Transaction, file_id: int, *, field: str) -> DataFile:
    """Return the training data that a body names; its project is known too."""
    found = await replicas.data_file(tx, file_id)
    if found is None or not tx.caller.may_see(found.project_id):
        raise ReferenceUnknown.of(field, file_id)
    if await replicas.project(tx, found.project_id) is None:
        raise ReferenceUnknown.of(field, file_id)
    if found.table_key is None:
        raise Invalid(fields={field: [f"Data {file_id} has been deleted."]})
    return found
