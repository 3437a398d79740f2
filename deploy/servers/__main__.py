"""`python -m servers [name …]`: run servers until Ctrl-C, their URLs as lines for a shell."""

import argparse
import shlex
import signal
import sys
from contextlib import ExitStack

from embedded.failure import Failure
from embedded.speech import say
from servers.everything import EVERYTHING, Kind
from servers.process import throwaway
from servers.server import Server


def main() -> None:
    """Start what is named, or everything, and wait."""
    parser = argparse.ArgumentParser(prog="python -m servers", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(EVERYTHING)}")
    names = parser.parse_args().names or list(EVERYTHING)
    if unknown := set(names) - set(EVERYTHING):
        parser.error(f"no server is called {', '.join(sorted(unknown))}")
    stopping = {signal.SIGINT, signal.SIGTERM}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            for name in names:
                kind = EVERYTHING[name]
                server = stack.enter_context(throwaway(kind.describe, ports_needed=kind.ports))
                _announce(kind, server)
            say("# Ctrl-C stops them.")
            signal.pthread_sigmask(signal.SIG_BLOCK, stopping)
            signal.sigwait(stopping)
    except KeyboardInterrupt:
        say("# Stopped before all were ready.")
    except Failure as failure:
        sys.exit(str(failure))


def _announce(kind: Kind, server: Server) -> None:
    for variable, value in {kind.variable: server.url, **server.environment}.items():
        say(f"export {variable}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
