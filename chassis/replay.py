"""Fill a lost Kafka again from what a service remembers: `python -m chassis.replay <service>`."""

import asyncio
import importlib
import sys
from typing import get_type_hints

from chassis import outbox
from chassis.app import Service
from chassis.settings import Settings


async def replay(service: Service) -> int:
    """Let the running service's relay send everything again; return how many records that is."""
    try:
        return await outbox.replay(service.database, sources=service.sources)
    finally:
        await service.database.close()


def main() -> None:
    """Run the command line."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m chassis.replay <service>")
    build = importlib.import_module(f"{sys.argv[1]}.app").build
    # A service with settings of its own is built from those: its `build` says which.
    settings: type[Settings] = next(iter(get_type_hints(build).values()))
    service: Service = build(settings())
    count = asyncio.run(replay(service))
    sys.stdout.write(f"{count} records of {service.name} will be sent again\n")


if __name__ == "__main__":
    main()
