"""`python -m gateway.assertion KEY` prints an assertion for a key, for whom debugs a service."""

import asyncio
import sys

from chassis.database import Database
from chassis.identity import AssertionSigner
from chassis.problems import Problem
from gateway.operations.credentials import Credentials
from gateway.settings import GatewaySettings
from gateway.store.tables import Base


async def assertion(settings: GatewaySettings, key: str) -> str:
    """Return an assertion that lives 60 s.

    Raises:
        Unauthenticated: the key is worth nothing.
    """
    database = Database(settings.database("gateway"), Base.metadata)
    try:
        identity = await Credentials(database).of_key(key)
    finally:
        await database.close()
    signer = AssertionSigner.from_file(settings.key_file("assertion.pem"))
    return signer.sign(identity.caller)


def main() -> None:
    """Run the command line."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m gateway.assertion KEY")
    try:
        sys.stdout.write(asyncio.run(assertion(GatewaySettings(), sys.argv[1])) + "\n")
    except Problem as problem:
        sys.exit(problem.detail)


if __name__ == "__main__":
    main()
