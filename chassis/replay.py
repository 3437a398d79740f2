"""Fill a lost Kafka again from what a service remembers: `python -m chassis.replay <service>`.

Sent again is what a Kafka would hold: all of compacted topics, and of the others what is no older
than their retention. Whoever had it knows it still.
"""

import argparse
import asyncio
import importlib
import sys
from datetime import datetime
from typing import get_type_hints

from chassis import inbox, outbox
from chassis.app import Service
from chassis.settings import Settings


async def replay(service: Service, *, backup_of: datetime | None = None) -> int:
    """Let the running service's relay send again; return how many records that is.

    With `backup_of` everything is as it was at that moment: what was young then is sent, and what
    the service has had by then it remembers as if it had come now.
    """
    try:
        if backup_of is not None:
            await inbox.keep_all(service.database)
        return await outbox.replay(service.database, sources=service.sources, as_of=backup_of)
    finally:
        await service.database.close()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m chassis.replay", description=main.__doc__)
    parser.add_argument("service")
    parser.add_argument(
        "--backup-of", type=datetime.fromisoformat, help="when the backup was taken"
    )
    given = parser.parse_args()
    build = importlib.import_module(f"{given.service}.app").build
    # A service with settings of its own is built from those: its `build` says which.
    settings: type[Settings] = next(iter(get_type_hints(build).values()))
    service: Service = build(settings())
    count = asyncio.run(replay(service, backup_of=given.backup_of))
    sys.stdout.write(f"{count} records of {service.name} will be sent again\n")


if __name__ == "__main__":
    main()
