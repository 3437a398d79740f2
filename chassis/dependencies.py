"""What routes ask FastAPI for: the transaction of their request, or the database itself."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request

from chassis.database import Database, Transaction
from chassis.identity import CurrentCaller
from chassis.second_try import note_one_transaction

_READ_ONLY_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


async def _request_transaction(
    request: Request, caller: CurrentCaller
) -> AsyncIterator[Transaction]:
    database: Database = request.app.state.database
    write = request.method not in _READ_ONLY_METHODS
    note_one_transaction(request.scope)
    async with database.transaction(caller, write=write) as tx:
        yield tx


async def _open_transaction(request: Request) -> AsyncIterator[Transaction]:
    database: Database = request.app.state.database
    write = request.method not in _READ_ONLY_METHODS
    async with database.transaction(tenant_id=None, write=write) as tx:
        yield tx


async def database_of(request: Request) -> Database:
    """Return the service's database, for routes that open transactions at their own moments."""
    database: Database = request.app.state.database
    return database


# Function scope: the commit happens before the answer leaves, so the client sees it fail.
Tx = Annotated[Transaction, Depends(_request_transaction, scope="function")]
#: A transaction of a public route: nobody asks, all tenants are in reach.
OpenTx = Annotated[Transaction, Depends(_open_transaction, scope="function")]
Store = Annotated[Database, Depends(database_of)]
