"""Reads a Dockerfile as far as tests have to."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """One instruction: its word in capitals, and all that follows on one line."""

    word: str
    text: str

    @property
    def arguments(self) -> list[str]:
        """Return the command in exec form, as of CMD and HEALTHCHECK."""
        parsed: list[str] = json.loads(self.text[self.text.index("[") :])
        return parsed


def instructions(file: Path) -> list[Instruction]:
    """Return a file's instructions, lines joined and comments left out."""
    kept = [line for line in file.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(kept).replace("\\\n", " ")
    lines = [" ".join(line.split()) for line in joined.splitlines() if line.strip()]
    return [Instruction(*line.split(" ", 1)) for line in lines]


def stage(found: Sequence[Instruction], name: str) -> list[Instruction]:
    """Return the instructions of one stage, its FROM included."""
    starts = [n for n, one in enumerate(found) if one.word == "FROM"]
    for start, end in zip(starts, [*starts[1:], len(found)], strict=True):
        if found[start].text.endswith(f" AS {name}"):
            return list(found[start:end])
    raise LookupError(f"no stage is called {name}")
