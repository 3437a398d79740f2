"""`python -m gateway.resealing` seals all token keys with the newest assertion key."""

import asyncio
import sys

from chassis.database import Database
from gateway.operations.seal import Seal
from gateway.operations.token_keys import reseal
from gateway.settings import GatewaySettings
from gateway.store.tables import Base
from gateway.store.token_keys import all_keys


async def resealed(settings: GatewaySettings) -> tuple[int, int]:
    """Seal the token keys with the first key of assertion.pem; return how many there are, and how
    many of them no key opens.
    """
    seal = Seal.from_file(settings.key_file("assertion.pem"))
    database = Database(settings.database("gateway"), Base.metadata)
    try:
        async with database.transaction(tenant_id=None) as tx:
            await tx.take_turns("token keys")
            keys = await all_keys(tx)
            return len(keys), await reseal(tx, keys, seal)
    finally:
        await database.close()


def main() -> None:
    """Run the command line."""
    count, lost = asyncio.run(resealed(GatewaySettings()))
    sys.stdout.write(f"{count - lost} token keys have the newest seal, {lost} cannot be opened\n")


if __name__ == "__main__":
    main()
