"""What the stores have in common: each can be held still, and then copied to a file."""

from collections.abc import Awaitable, Callable
from pathlib import Path

#: Writes what a store said at the moment it was held, to a file that does not exist yet.
Copier = Callable[[Path], Awaitable[None]]
