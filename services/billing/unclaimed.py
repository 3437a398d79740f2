"""`python -m billing.unclaimed` lists what was paid for and could not be applied."""

import asyncio
import sys

from billing.domain.purchases import Purchase, Said
from billing.operations import webhooks
from billing.settings import BillingSettings
from billing.store.tables import Base
from chassis.database import Database


async def unclaimed(settings: BillingSettings) -> list[Purchase]:
    """Return the purchases whose tenant or plan is unknown."""
    database = Database(settings.database("billing"), Base.metadata)
    try:
        async with database.transaction(tenant_id=None, write=False) as tx:
            return await webhooks.unclaimed(tx)
    finally:
        await database.close()


def line(purchase: Purchase) -> str:
    """Return what an operator has to know of a purchase: it is looked up at the provider."""
    named = [purchase.tenant, purchase.plan_id, purchase.interval]
    return "\t".join([purchase.key, purchase.customer or "-", *map(_value, named)])


def _value(said: Said | None) -> str:
    # Somebody typed it into another system: it must not break the line.
    return repr(said.value) if said else "-"


def main() -> None:
    """Run the command line."""
    for purchase in asyncio.run(unclaimed(BillingSettings())):
        sys.stdout.write(f"{line(purchase)}\n")


if __name__ == "__main__":
    main()
