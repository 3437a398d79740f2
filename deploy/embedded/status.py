"""`make status`: each process with what it says of itself at this moment."""

import asyncio
import json
from dataclasses import asdict, dataclass

import psutil
from rich.console import Console
from rich.table import Table

from embedded import records
from embedded.home import Home
from embedded.probes import Readiness
from embedded.processes import Process, processes
from embedded.records import Record
from embedded.speech import say

COLUMNS = ("name", "pid", "port", "version", "ready", "lag")


@dataclass(frozen=True, slots=True)
class Line:
    """One process in the list; without a pid it does not run at present."""

    name: str
    pid: int | None
    port: int | None
    version: str | None
    ready: bool
    lag: int | None


def status(home: Home, *, as_json: bool) -> None:
    """Print the processes of the stack in a data folder."""
    lines = asyncio.run(look(home))
    if as_json:
        say(json.dumps([asdict(line) for line in lines]))
    elif not any(line.pid for line in lines):
        say(f"Nothing runs in {home.path}.")
    else:
        Console().print(_table(lines))


async def look(home: Home) -> list[Line]:
    """Ask every process of the stack that ran last."""
    stack = records.read_stack(home)
    known = records.read(home)
    if stack is None or not known:
        return []
    asked = [process for process in processes(stack) if process.probe]
    return await asyncio.gather(*(_line(process, known.get(process.name)) for process in asked))


async def _line(process: Process, record: Record | None) -> Line:
    lives = record is not None and psutil.pid_exists(record.pid)
    found = await process.probe() if lives and process.probe else Readiness(ready=False)
    version = found.version or (record.version if record else None) or process.version
    pid = record.pid if record and lives else None
    return Line(process.name, pid, process.port, version, found.ready, found.lag)


def _table(lines: list[Line]) -> Table:
    table = Table(*COLUMNS, box=None)
    for line in lines:
        cells = ("-" if value is None else str(value) for value in asdict(line).values())
        table.add_row(*cells)
    return table
