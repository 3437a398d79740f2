"""`python -m gateway.deletion` lists the deletions of tenants; with a tenant's uid it deletes that
one.
"""

import argparse
import asyncio
import sys

from chassis import deleted_tenants
from chassis.database import Database, Transaction
from chassis.problems import Problem
from gateway.domain.deletions import Deletion
from gateway.forwarding.windows import windows_at
from gateway.operations.attempts import Attempts
from gateway.operations.deletions import Deletions
from gateway.operations.passwords import Passwords
from gateway.settings import GatewaySettings
from gateway.store import deletions as store
from gateway.store.tables import Base


def line(deletion: Deletion) -> str:
    """Return how far a deletion has come: its tenant, its moment, its state, who is missing."""
    waiting = f" (waits for {', '.join(deletion.missing)})" if deletion.missing else ""
    return f"{deletion.tenant_id}\t{deletion.deleted_at:%Y-%m-%d %H:%M}\t{deletion.state}{waiting}"


async def run(settings: GatewaySettings, tenant_id: str | None, *, sure: bool) -> list[str]:
    """List all deletions, or delete a tenant; return what there is to say.

    Raises:
        Problem: there is no such tenant, or it is the operator's.
    """
    database = Database(settings.database("gateway"), Base.metadata)
    try:
        deletions = _deletions(settings, database)
        if tenant_id is None:
            return [line(each) for each in await deletions.every()]
        if not sure:
            async with database.transaction(tenant_id=None, write=False) as tx:
                name = await store.name_of(tx, tenant_id)
            if name is not None:
                raise Problem(
                    f"This deletes the tenant {name!r} ({tenant_id}) with all that it has, for "
                    "ever. Say --yes to do it."
                )
        name = await deletions.delete_named(tenant_id)
        return [f"{name!r} ({tenant_id}) is deleted; the services erase what they hold."]
    finally:
        await database.close()


def _deletions(settings: GatewaySettings, database: Database) -> Deletions:
    async def note(tx: Transaction, tenant_id: str, at: object) -> None:
        connection = await tx.session.connection()
        moment = tx.clock()
        await deleted_tenants.note(connection, Base.metadata, tenant_id, at=moment, now=moment)

    # Nobody signs in here, so nothing is counted.
    attempts = Attempts(windows_at("memory://"), None)
    return Deletions(database, passwords=Passwords(), attempts=attempts, note=note)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m gateway.deletion",
        description="Delete a tenant for ever, or list the tenants that were deleted.",
    )
    parser.add_argument("tenant", nargs="?", help="uid of the tenant to delete")
    parser.add_argument("--yes", action="store_true", help="do it")
    given = parser.parse_args()
    try:
        lines = asyncio.run(run(GatewaySettings(), given.tenant, sure=given.yes))
    except Problem as problem:
        sys.exit(problem.detail)
    sys.stdout.writelines(f"{each}\n" for each in lines)


if __name__ == "__main__":
    main()
