"""`python -m gateway.invitation ADDRESS` prints an invitation to make a tenant: what the operator
needs where not everybody may make one.
"""

import argparse
import asyncio
import sys
from datetime import timedelta

from chassis.database import Database
from gateway.operations.people import INVITED_FOR
from gateway.operations.seal import Seal
from gateway.operations.token_keys import KeyRing
from gateway.operations.tokens import Tokens
from gateway.settings import GatewaySettings
from gateway.store.tables import Base


async def invitation(settings: GatewaySettings, email: str) -> str:
    """Return an invitation that lets whoever has it make a tenant within a week."""
    seal = Seal.from_file(settings.key_file("assertion.pem"))
    database = Database(settings.database("gateway"), Base.metadata)
    try:
        # Keys are followed and forgotten by gateways; nothing is due for this one.
        never = timedelta.max
        ring = KeyRing(database, seal=seal, rotate_after=never, keep=never)
        await ring.start()
        tokens = Tokens(ring, issuer=settings.token_issuer, audience=settings.token_audience)
        claims = {"email": email, "makes_tenant": True}
        return tokens.write("invitation", claims, lifetime=INVITED_FOR)
    finally:
        await database.close()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m gateway.invitation",
        description="Print an invitation to make a tenant; it counts for a week.",
    )
    parser.add_argument("address", help="e-mail address of the tenant's first admin")
    address: str = parser.parse_args().address
    sys.stdout.write(asyncio.run(invitation(GatewaySettings(), address)) + "\n")


if __name__ == "__main__":
    main()
