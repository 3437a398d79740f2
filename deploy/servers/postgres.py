"""PostgreSQL, one cluster in a throw-away folder."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded import ports
from servers.probes import succeeds
from servers.process import Server, private_folder, program, run, running

_USER = "millrace"
_DATABASE = "millrace"
_INITDB = ("-U", _USER, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")


@contextmanager
def postgres() -> Iterator[Server]:
    """Run a server with one empty database; anybody on this machine may connect as `millrace`."""
    user = "nobody" if os.geteuid() == 0 else None  # it refuses to run as root
    [port] = ports.choose(1)
    with private_folder(user=user) as folder:
        data = str(folder / "data")
        run((_tool("initdb"), "-D", data, *_INITDB), user=user)
        settings = {"listen_addresses": ports.HOST, "port": port, "unix_socket_directories": folder}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        address = ("-h", ports.HOST, "-p", str(port), "-U", _USER)
        with running(
            (_tool("postgres"), "-D", data, *options),
            folder=folder,
            ready=succeeds(_tool("pg_isready"), "-q", *address),
            stop=signal.SIGINT,  # rolls back and goes, where SIGTERM would wait for its clients
            user=user,
        ):
            run((_tool("createdb"), *address, _DATABASE))
            yield Server(f"postgresql+asyncpg://{_USER}@{ports.HOST}:{port}/{_DATABASE}")


def _tool(name: str) -> str:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    return program(name, package="postgresql", folders=tuple(versions))


def _version(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdigit() else 0
