"""The command line behind `make backup` and `make restore`."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from backup import reaching
from backup.places import Places
from backup.restoring import restore
from backup.taking import take
from embedded.failure import Failure
from embedded.settings import load
from embedded.speech import say


def arguments() -> argparse.ArgumentParser:
    """Return the grammar of the command line."""
    parser = argparse.ArgumentParser(prog="python -m backup", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("take", help="copy everything").add_argument("folder", type=Path)
    back = verbs.add_parser("restore", help="put it back")
    back.add_argument("folder", type=Path)
    back.add_argument("--backends", help="embedded or servers (MILLRACE_BACKENDS)")
    parser.set_defaults(backends=None)
    return parser


def run(chosen: argparse.Namespace) -> None:
    """Do what was asked for."""
    folder, launcher = chosen.folder.expanduser().resolve(), load(backends=chosen.backends)
    if chosen.verb == "restore":
        restore(folder, launcher)
        return
    os.umask(0o077)  # a backup holds keys and what tenants wrote
    home = launcher.home.path
    if not home.exists():
        raise Failure(f"{home} is not there; set MILLRACE_HOME to the data folder.")
    with reaching.existing(launcher) as settings:
        asyncio.run(take(Places.of(settings), folder))


def main() -> int:
    """Run the command line; what a user can mend is a sentence and not a traceback."""
    try:
        run(arguments().parse_args())
    except Failure as failure:
        say(str(failure))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
