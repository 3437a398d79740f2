"""What a server is: everything about running it but who runs it.

The fixtures of the tests run servers for the length of a block (`process.py`), the launcher keeps
them running as parts of a stack; both read the same description.
"""

import os
import pwd
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from embedded.failure import Failure

Command = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server: its commands, addresses and needs. Describing one starts nothing."""

    name: str
    #: Holds everything that the server keeps.
    folder: Path
    port: int
    command: Command
    #: Tells whether the server can be used; may take seconds.
    ready: Callable[[], bool]
    #: What Millrace is told.
    url: str
    version: str | None = None
    #: Makes the folder and writes the configuration for this start; repeating it does no harm.
    configure: Callable[[], None]
    #: Has to end well before the first start in a folder.
    first: Command = ()
    #: Has to end well once the server is ready; repeating it does no harm.
    then: Command = ()
    #: What a client's environment holds besides the URL.
    environment: Mapping[str, str] = field(default_factory=dict)
    #: The signal that stops it in order.
    stop: signal.Signals = signal.SIGTERM
    #: Runs the server in place of root, which it refuses.
    user: str | None = None


#: Describes a server in a folder on some ports.
Describe = Callable[[Path, Sequence[int]], Server]


def bound(command: Command, *, stop: signal.Signals, user: str | None = None) -> Command:
    """Return a command whose life is tied to its parent's: not even SIGKILL leaves an orphan."""
    if not command:
        return ()
    setpriv = program("setpriv", package="util-linux")
    as_user: Command = ()
    if user is not None:
        group = str(pwd.getpwnam(user).pw_gid)
        as_user = ("--reuid", user, "--regid", group, "--clear-groups")
        command = ("env", "--chdir=/", *command)  # whoever it is cannot look into every folder
    return (setpriv, *as_user, "--pdeathsig", stop.name.removeprefix("SIG"), "--", *command)


def program(name: str, *, package: str, folders: tuple[Path, ...] = ()) -> str:
    """Return the path of a program, looked for in some folders, then on PATH.

    Raises:
        Failure: it is not there; the message names the Debian package.
    """
    places = os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=places)
    if found is None:
        raise Failure(f"{name} is not installed: on Debian, apt-get install {package}.")
    return found
