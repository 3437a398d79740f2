"""What the benchmarks printed, kept in one Markdown file per kind of back ends."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

FOLDER = Path(__file__).parent / "results"


def keep(name: str, backends: str, printed: str) -> Path:
    """Put what a benchmark printed in the place of what it printed last; return the file."""
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{backends}.md"
    sections = _sections(file.read_text(encoding="utf-8")) if file.exists() else {}
    sections[name] = f"{_circumstances()}\n\n{printed.strip()}\n"
    parts = [f"## {each}\n\n{text.strip()}\n" for each, text in sections.items()]
    file.write_text("\n".join([_head(backends), *parts]), encoding="utf-8")
    return file


def _head(backends: str) -> str:
    said = "make bench" if backends == "embedded" else f"make bench BACKENDS={backends}"
    return (
        f"# Measured on the {backends} back ends\n\nWritten by `{said}`; the code is in `bench/`.\n"
    )


def _sections(text: str) -> dict[str, str]:
    _head_text, *parts = text.split("\n## ")
    return {name: body for name, _newline, body in (part.partition("\n") for part in parts)}


def _circumstances() -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607 - whichever git there is
        capture_output=True,
        text=True,
        check=False,
        cwd=FOLDER.parent,
    ).stdout.strip()
    cores = len(os.sched_getaffinity(0))
    day = datetime.now(UTC).date()
    python = platform.python_version()
    return f"{day}, revision {commit or 'unknown'}, {cores} cores, Python {python}."
