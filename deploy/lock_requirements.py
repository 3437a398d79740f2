"""Writes the locks: one for the checkout, and one per service that agrees with it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OWN = (
    "contracts",
    "chassis",
    *sorted(p.parent.name for p in ROOT.glob("services/*/pyproject.toml")),
)
DEPLOY = sorted(p.parent.name for p in ROOT.glob("deploy/*/pyproject.toml"))
COMPILE = (
    *("uv", "pip", "compile", "--quiet", "--universal", "--python-version=3.11"),
    *("--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate"),
)


def compile_lock(target: str, *sources: str) -> None:
    """Resolve `sources` into `target`; versions already there stay unless a source forbids them."""
    hidden = [f"--no-emit-package=millrace-{name}" for name in (*OWN, *DEPLOY)]
    subprocess.run(  # noqa: S603 - a fixed command over files of this checkout
        [sys.executable, "-m", *COMPILE, *hidden, *sources, "--output-file", target],
        cwd=ROOT,
        check=True,
    )


def main() -> None:
    """Write requirements-dev.txt, what builds images, every services/<name>/requirements.txt."""
    parts = sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("*/pyproject.toml"))
    parts += sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("*/*/pyproject.toml"))
    compile_lock("requirements-dev.txt", "requirements-dev.in", *parts)
    constraint = ("--constraint", "requirements-dev.txt")
    compile_lock("deploy/images/requirements.txt", "deploy/images/requirements.in", *constraint)
    for service in sorted(ROOT.glob("services/*/pyproject.toml")):
        folder = service.parent.relative_to(ROOT)
        compile_lock(f"{folder}/requirements.txt", f"{folder}/pyproject.toml", *constraint)


if __name__ == "__main__":
    main()
