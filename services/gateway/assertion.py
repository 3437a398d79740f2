"""`python -m gateway.assertion` prints an assertion for the API key on its standard input, for whom
debugs a service.
"""

import asyncio
import sys
from getpass import getpass

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
    # Not an argument: those stand in the list of processes and in the shell's history.
    key = (getpass("API key: ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
    try:
        sys.stdout.write(asyncio.run(assertion(GatewaySettings(), key)) + "\n")
    except Problem as problem:
        sys.exit(problem.detail)


if __name__ == "__main__":
    main()
