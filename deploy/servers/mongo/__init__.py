"""A server that speaks MongoDB's protocol: mongo-java-server over one H2 file.

It is no MongoDB: text indexes, transactions and change streams are missing, documents whose `_id`
is an object are not always found again, and what it acknowledged may be lost when it is killed.
Behaviour is tested on it, durability is not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files

from embedded import jars, java, ports
from embedded.failure import Failure
from servers.probes import accepts
from servers.process import Server, private_folder, program, running

VERSION = "1.47.0"
DATABASE = "millrace"
_MEMORY = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@contextmanager
def mongo() -> Iterator[Server]:
    """Run an empty server."""
    libraries = jars.cache_folder() / f"mongo-java-server-{VERSION}"
    jars.ensure(jars.read_lock(files(__name__).joinpath("jars.lock").read_text()), libraries)
    [port] = ports.choose(1)
    with private_folder() as folder, as_file(files(__name__) / "Main.java") as main:
        arguments = ("-cp", f"{libraries}/*", str(main), str(port), str(folder / "data.h2"))
        with running((_java(), *_MEMORY, *arguments), folder=folder, ready=accepts(port)):
            yield Server(f"mongodb://{ports.HOST}:{port}/{DATABASE}")


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
