"""PostgreSQL: one cluster, with a database for each service."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import chown

from embedded import ports
from embedded.failure import Failure
from servers.probes import succeeds
from servers.process import throwaway
from servers.server import Server, bound, program

SERVICES = ("gateway", "catalog", "training", "inference", "billing", "experiments")
_USER = "millrace"
_INITDB = ("-U", _USER, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
#: The folder appears under its name when it is whole: an initdb that was killed is repeated.
_CREATE = 'rm -rf "$1.new" && "${@:2}" -D "$1.new" && mv "$1.new" "$1"'


def describe(folder: Path, on: Sequence[int]) -> Server:
    """Describe a server; anybody on this machine may connect as `millrace`."""
    [port] = on
    data = folder / "data"
    address = ("-h", ports.HOST, "-p", str(port), "-U", _USER)
    settings = {
        "listen_addresses": ports.HOST,
        "port": port,
        "unix_socket_directories": "",
        # Each process of a service holds up to twenty connections.
        "max_connections": 400,
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    user = "nobody" if os.geteuid() == 0 else None
    create = ("bash", "-c", _CREATE, "initdb", str(data), _tool("initdb"), *_INITDB)
    return Server(
        name="postgres",
        folder=folder,
        port=port,
        command=(_tool("postgres"), "-D", str(data), *options),
        ready=succeeds(_tool("pg_isready"), "-q", *address),
        url=f"postgresql+asyncpg://{_USER}@{ports.HOST}:{port}/{_USER}_{{service}}",
        version=_folders()[0].parent.name if _folders() else None,
        configure=lambda: _configure(folder, user),
        first=() if (data / "PG_VERSION").exists() else create,
        then=(
            *(_tool("psql"), "-q", "-v", "ON_ERROR_STOP=1", *address, "-d", "postgres"),
            *("-f", str(folder / "databases.sql")),
        ),
        stop=signal.SIGINT,  # rolls back and goes, where SIGTERM would wait for its clients
        user=user,
    )


@contextmanager
def postgres() -> Iterator[Server]:
    """Run a new server; `{service}` in its URL stands for a service's name."""
    with throwaway(describe) as server:
        yield server


def _configure(folder: Path, user: str | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = (f"{_USER}_{service}" for service in SERVICES)
    (folder / "databases.sql").write_text("\n".join(map(_create, names)), encoding="utf-8")
    if user is None:
        return
    chown(folder, user)
    look = bound(("test", "-w", str(folder)), stop=signal.SIGTERM, user=user)
    if subprocess.run(look, check=False).returncode:  # noqa: S603
        raise Failure(
            f"PostgreSQL refuses to run as root, and {user} cannot reach {folder}: use another "
            "account, or set MILLRACE_HOME to a folder whose parents everybody may enter."
        )


def _create(database: str) -> str:
    known = f"SELECT FROM pg_database WHERE datname = '{database}'"
    return f"SELECT 'CREATE DATABASE {database}' WHERE NOT EXISTS ({known}) \\gexec"


def _tool(name: str) -> str:
    return program(name, package="postgresql", folders=_folders())


def _folders() -> tuple[Path, ...]:
    """Return where Debian keeps the programs of each release, the newest first."""
    return tuple(sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True))


def _version(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdigit() else 0
