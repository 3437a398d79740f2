"""`python -m servers [name …]`: run servers until Ctrl-C, their URLs as lines for a shell."""

import argparse
import shlex
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack

from embedded.failure import Failure
from embedded.speech import say
from servers.kafka import kafka
from servers.mongo import mongo
from servers.postgres import postgres
from servers.process import Server
from servers.redis import redis
from servers.s3 import s3

SERVERS: Mapping[str, Callable[[], AbstractContextManager[Server]]] = {
    "postgres": postgres,
    "mongo": mongo,
    "redis": redis,
    "s3": s3,
    "kafka": kafka,
}
#: The variable that makes Millrace use the server.
VARIABLES = {
    "postgres": "MILLRACE_DATABASE_URL",
    "mongo": "MILLRACE_DOCUMENTS_URL",
    "redis": "MILLRACE_RATES_URL",
    "s3": "MILLRACE_BLOBS_URL",
    "kafka": "MILLRACE_KAFKA_URL",
}


def main() -> None:
    """Start what is named, or everything, and wait."""
    parser = argparse.ArgumentParser(prog="python -m servers", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(SERVERS)}")
    names = parser.parse_args().names or list(SERVERS)
    if unknown := set(names) - set(SERVERS):
        parser.error(f"no server is called {', '.join(sorted(unknown))}")
    stopping = {signal.SIGINT, signal.SIGTERM}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            for name in names:
                _announce(name, stack.enter_context(SERVERS[name]()))
            say("# Ctrl-C stops them.")
            signal.pthread_sigmask(signal.SIG_BLOCK, stopping)
            signal.sigwait(stopping)
    except KeyboardInterrupt:
        say("# Stopped before all were ready.")
    except Failure as failure:
        sys.exit(str(failure))


def _announce(name: str, server: Server) -> None:
    for variable, value in {VARIABLES[name]: server.url, **server.environment}.items():
        say(f"export {variable}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
