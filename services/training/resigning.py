"""`python -m training.resigning` signs all artefacts with the newest artefact key."""

import asyncio
import sys

from chassis.blobs import open_blobs
from chassis.database import Database
from chassis.keys import private_keys, public_keys
from chassis.settings import Settings
from training.operations.resigning import Tally, resign
from training.store.tables import Base


async def resigned(settings: Settings) -> Tally:
    """Sign the artefacts of all models with the first key of artefact.pem."""
    signer = private_keys(settings.key_file("artefact.pem").read_bytes())[0]
    trusted = public_keys(settings.key_file("artefact.pub.pem").read_bytes())
    database = Database(settings.database("training"), Base.metadata)
    try:
        async with open_blobs(settings.blobs()) as blobs:
            return await resign(database, blobs, signer=signer, trusted=trusted)
    finally:
        await database.close()


def main() -> None:
    """Run the command line; the exit status tells whether every artefact has the new signature."""
    tally = asyncio.run(resigned(Settings()))
    sys.stdout.write(
        f"{tally.resigned} artefacts signed anew, {tally.current} had the newest signature, "
        f"{tally.refused} have none that is known\n"
    )
    sys.exit(1 if tally.refused else 0)


if __name__ == "__main__":
    main()
