"""What the launcher says: one readable line per happening."""

import contextlib
import sys


def say(line: str) -> None:
    """Write a line for the user; nobody reading it any more is no reason to stop."""
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def happening(name: str, what: str, *details: str) -> None:
    """Say what happened to a process."""
    say(f"  {name:<14} {what:<9} {'  '.join(details)}".rstrip())
