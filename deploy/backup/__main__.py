"""The command line behind `make backup` and `make restore`."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from backup.places import Places
from backup.restoring import restore
from backup.taking import take
from chassis.settings import Settings
from embedded.failure import Failure
from embedded.speech import say


def arguments() -> argparse.ArgumentParser:
    """Return the grammar of the command line."""
    parser = argparse.ArgumentParser(prog="python -m backup", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("take", help="copy everything").add_argument("folder", type=Path)
    verbs.add_parser("restore", help="put it back").add_argument("folder", type=Path)
    return parser


def run(chosen: argparse.Namespace) -> None:
    """Do what was asked for."""
    folder, settings = chosen.folder.expanduser().resolve(), Settings()
    if chosen.verb == "restore":
        asyncio.run(restore(folder, settings))
        return
    if not settings.home.exists():
        raise Failure(f"{settings.home} is not there; set MILLRACE_HOME to the data folder.")
    asyncio.run(take(Places.of(settings), folder))


def main() -> int:
    """Run the command line; what a user can mend is a sentence and not a traceback."""
    os.umask(0o077)  # keys and tenants' data are nobody else's
    try:
        run(arguments().parse_args())
    except Failure as failure:
        say(str(failure))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
