"""A launcher over two stand-ins, to be killed by tests: home [prelude]."""

import asyncio
import sys
from pathlib import Path

from embedded import home, records, up
from embedded.home import Home
from embedded.lock import alone_in
from embedded.stack import Stack
from embedded.tests.standins import server


def main() -> None:
    """Run until a signal says stop."""
    folder, prelude = Home(Path(sys.argv[1])), "".join(sys.argv[2:])
    home.prepare(folder)
    with alone_in(folder):
        up.clear_leftovers(folder)
        stack = Stack.planned(folder, port=1, kafka_port=2)
        records.write_stack(stack)
        broker = server("broker", stack.run_id)
        shop = server("shop", stack.run_id, after=("broker",), prelude=prelude)
        asyncio.run(up.keep(stack, (broker, shop)))


if __name__ == "__main__":
    main()
