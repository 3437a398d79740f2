"""A server that speaks MongoDB's protocol: mongo-java-server over one H2 file.

It is no MongoDB: text indexes, transactions and change streams are missing, and documents whose
`_id` is an object are not always found again. What it acknowledged survives its being killed, but
not a machine that loses power: nothing is synced to the disk.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path

from embedded import jars, java, ports
from embedded.failure import Failure
from servers.probes import accepts
from servers.process import throwaway
from servers.server import Server, program

VERSION = "1.47.0"
DATABASE = "millrace"
_MEMORY = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def describe(folder: Path, on: Sequence[int]) -> Server:
    """Describe a server over one file."""
    [port] = on
    main, data = folder / "Main.java", folder / "data.h2"
    return Server(
        name="mongo",
        folder=folder,
        port=port,
        command=(
            *(_java(), *_MEMORY, "-cp", f"{_libraries()}/*"),
            *(str(main), str(port), str(data)),
        ),
        ready=accepts(port),
        url=f"mongodb://{ports.HOST}:{port}/{DATABASE}",
        version=VERSION,
        configure=lambda: _configure(main),
    )


@contextmanager
def mongo() -> Iterator[Server]:
    """Run an empty server."""
    with throwaway(describe) as server:
        yield server


def _libraries() -> Path:
    return jars.cache_folder() / f"mongo-java-server-{VERSION}"


def _configure(main: Path) -> None:
    jars.ensure(jars.read_lock(_own("jars.lock")), _libraries())
    main.parent.mkdir(parents=True, exist_ok=True)
    main.write_text(_own("Main.java"), encoding="utf-8")


@cache
def _java() -> str:
    """Return a Java that can run a source file: a JDK, not only a runtime."""
    package = "default-jdk-headless"
    program("javac", package=package)
    found = program("java", package=package)
    if java.version(found) < java.NEEDED:
        raise Failure(
            f"Java {java.NEEDED} or newer is needed: on Debian, apt-get install {package}."
        )
    return found


def _own(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
