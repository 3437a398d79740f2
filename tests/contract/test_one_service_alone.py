"""A service runs on what its own lock names, without the other five anywhere near."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chassis.testing import write_keys
from embedded import ports
from tests.running import until

ROOT = Path(__file__).resolve().parents[2]
SERVICE = "billing"
#: Installing may have to download what no cache holds yet.
INSTALL_LIMIT = 300


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment made from the service's lock alone."""
    folder = tmp_path_factory.mktemp("alone") / "venv"
    interpreter = folder / "bin" / "python"
    lock = str(ROOT / "services" / SERVICE / "requirements.txt")
    uv = shutil.which("uv")
    if uv is not None:
        commands = [
            [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "--quiet", "--python", str(interpreter)],
        ]
    else:
        commands = [
            [sys.executable, "-m", "venv", str(folder)],
            [str(interpreter), "-m", "pip", "install", "--quiet"],
        ]
    commands[1] += ["--require-hashes", "--no-deps", "--requirement", lock]
    for command in commands:
        subprocess.run(command, check=True, timeout=INSTALL_LIMIT)
    return interpreter


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what an image of the service holds, and nothing else."""
    folder = tmp_path_factory.mktemp("code")
    for part in ("contracts", "chassis", f"services/{SERVICE}"):
        ignored = shutil.ignore_patterns("tests", "__pycache__", "snapshots")
        shutil.copytree(ROOT / part, folder / Path(part).name, ignore=ignored)
    return folder


@pytest.fixture
def running(python: Path, code: Path, tmp_path: Path) -> Iterator[str]:
    """Return the address of the service, started as its image starts it, without a Kafka."""
    write_keys(tmp_path / "keys")
    [port] = ports.choose(1)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(code),
        "MILLRACE_HOME": str(tmp_path),
        "MILLRACE_SERVICE_PORT": str(port),
        "MILLRACE_KAFKA_URL": "127.0.0.1:1",
    }
    migrate = [str(python), "-m", "chassis.migrations", "upgrade", SERVICE]
    subprocess.run(migrate, env=environment, cwd=tmp_path, check=True)
    start = [str(python), "-m", f"{SERVICE}.app"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(start, env=environment, cwd=tmp_path, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_it_lives_and_answers_without_the_others(running: str) -> None:
    until(lambda: status(f"{running}/livez") == 200, within=60)
    plans = httpx.get(f"{running}/api/billing/plans").raise_for_status().json()
    assert {plan["id"] for plan in plans} >= {"plan-starter", "plan-growth"}
    assert status(f"{running}/api/billing/usage") == 401
    assert status(f"{running}/readyz") == 503  # Kafka is away, and it says so


def test_no_other_service_and_no_learner_is_installed(python: Path, code: Path) -> None:
    absent = ["gateway", "catalog", "training", "inference", "experiments", "torch", "lightgbm"]
    script = f"import importlib.util as u; print([n for n in {absent} if u.find_spec(n)])"
    done = subprocess.run(
        [str(python), "-c", script],
        env={"PYTHONPATH": str(code)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def status(url: str) -> int | None:
    try:
        return httpx.get(url, timeout=5).status_code
    except httpx.TransportError:
        return None
