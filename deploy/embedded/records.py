"""What runs at present, kept in `run/*.json` for the other commands and the next start."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from embedded.home import Home
from embedded.stack import Stack


@dataclass(frozen=True, slots=True)
class Record:
    """One running process."""

    name: str
    pid: int
    port: int | None
    version: str | None = None


def write(home: Home, record: Record) -> None:
    """Note that a process runs."""
    _replace(home.run / f"{record.name}.json", json.dumps(asdict(record)))


def forget(home: Home, name: str) -> None:
    """Note that a process runs no longer."""
    (home.run / f"{name}.json").unlink(missing_ok=True)


def read(home: Home) -> dict[str, Record]:
    """Return what is noted, by name; what the launcher forgets meanwhile is left out."""
    found: dict[str, Record] = {}
    for file in home.run.glob("*.json"):
        with suppress(FileNotFoundError):
            found[file.stem] = Record(**json.loads(file.read_text(encoding="utf-8")))
    return found


def write_stack(stack: Stack) -> None:
    """Note a stack's addresses."""
    note = {
        "run_id": stack.run_id,
        "kafka_port": stack.kafka_port,
        "controller_port": stack.controller_port,
        "service_ports": dict(stack.service_ports),
        "server_ports": dict(stack.server_ports),
        "on_servers": stack.on_servers,
    }
    _replace(stack.home.run / "stack", json.dumps(note))


def read_stack(home: Home) -> Stack | None:
    """Return the stack that runs, or ran last, in a data folder."""
    note = home.run / "stack"
    if not note.exists():
        return None
    content: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
    content.pop("launcher", None)  # which older launchers noted here
    return Stack(home, **content)


def _replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)
