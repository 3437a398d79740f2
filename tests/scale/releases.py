"""An earlier release of the services, laid out to run beside those of today."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: What the services tell each other.
_CONTRACTS = ":(glob)contracts/*.py"
_PARTS = ("contracts", "chassis", "services")


def lay_out_previous(folder: Path) -> Path:
    """Write the code from before the newest change of the contracts into a folder.

    A clone that is not deep enough to have it gives the oldest commit that it has.
    """
    newest = _git("log", "-1", "--format=%H", "--", _CONTRACTS)
    before = _git("rev-parse", f"{newest}^") if _has_parent(newest) else newest
    archive = folder / "release.tar"
    _git("archive", f"--output={archive}", before, *_PARTS)
    subprocess.run(("tar", "-xf", str(archive), "-C", str(folder)), check=True)
    return folder


def environment(tree: Path) -> Mapping[str, str]:
    """Return what has Python take the code from there, wherever it is started."""
    return {"PYTHONPATH": f"{tree}:{tree / 'services'}", "PYTHONSAFEPATH": "1"}


def _has_parent(commit: str) -> bool:
    return len(_git("rev-list", "--parents", "--max-count=1", commit).split()) > 1


def _git(*words: str) -> str:
    done = subprocess.run(("git", *words), cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
