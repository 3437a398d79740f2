"""An image's own steps, carried out here: one service, its lock, its wheels, and nothing else."""

import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.testing import write_keys
from embedded import ports
from embedded.stack import SERVICES
from tests import local
from tests.deploy.dockerfile import Instruction, instructions, stage
from tests.running import until

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "deploy" / "images"
SERVICE = "billing"
#: Installing may have to download what no cache holds yet.
INSTALL_LIMIT = 300


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment filled as the image's is."""
    target = tmp_path_factory.mktemp("image") / "millrace"
    for step in ("packages", "code"):
        subprocess.run(
            ["sh", str(IMAGES / "assemble.sh"), step, SERVICE, str(target)],
            cwd=ROOT,
            env={**os.environ, "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"},
            check=True,
            timeout=INSTALL_LIMIT,
        )
    return target / "bin" / "python"


@pytest.fixture
def running(python: Path, tmp_path: Path) -> Iterator[str]:
    """Return the address of the service, started as its image starts it, without a Kafka."""
    write_keys(tmp_path / "keys")
    [port] = ports.choose(1)
    environment = {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        **settings_of_image(),
        "MILLRACE_HOME": str(tmp_path),
        "MILLRACE_SERVICE_PORT": str(port),
        "MILLRACE_KAFKA_URL": "127.0.0.1:1",
    }
    migrate = ["python", "-m", "chassis.migrations", "upgrade", SERVICE]
    subprocess.run(migrate, env=environment, cwd=tmp_path, check=True, executable=python)
    command = command_of(SERVICE)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=log, stderr=log, executable=python
        )
    try:
        until(lambda: healthy(python, environment), within=60)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        status = process.wait(timeout=30)
    # It left by itself, and then said what made it leave.
    assert status in (0, -signal.SIGTERM)


def test_it_lives_and_answers_without_the_others(running: str) -> None:
    plans = local.get(f"{running}/api/billing/plans").raise_for_status().json()
    assert {plan["id"] for plan in plans} >= {"plan-starter", "plan-growth"}
    assert local.get(f"{running}/api/billing/usage").status_code == 401
    assert local.get(f"{running}/readyz").status_code == 503  # Kafka is away, and it says so


def test_no_other_service_and_no_learner_is_installed(python: Path) -> None:
    absent = {*SERVICES, "torch", "lightgbm", "pytest", "pip", "uv", "hatchling"} - {SERVICE}
    script = f"import importlib.util as u; print([n for n in {sorted(absent)} if u.find_spec(n)])"
    done = subprocess.run(
        [str(python), "-I", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def shared_wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the wheels that every image holds."""
    folder = tmp_path_factory.mktemp("wheels")
    return [wheel_of(ROOT / part, folder / part) for part in ("contracts", "chassis")]


@pytest.mark.parametrize("service", SERVICES)
def test_the_code_of_an_image_is_the_service_without_its_tests(
    service: str, tmp_path: Path
) -> None:
    with zipfile.ZipFile(wheel_of(ROOT / "services" / service, tmp_path)) as opened:
        held = opened.namelist()
    assert {f"{service}/app.py", f"{service}/migrations/env.py"} <= set(held)
    assert any(name.startswith(f"{service}/migrations/versions/0001_") for name in held)
    assert [name for name in held if "/tests/" in name or name.endswith("requirements.txt")] == []


@pytest.mark.parametrize("service", SERVICES)
def test_the_code_of_an_image_needs_nothing_but_what_its_lock_names(
    service: str, shared_wheels: list[Path], tmp_path: Path
) -> None:
    folder = ROOT / "services" / service
    for wheel in (*shared_wheels, wheel_of(folder, tmp_path)):
        with zipfile.ZipFile(wheel) as opened:
            opened.extractall(tmp_path / "code")
    script = Path(__file__).with_name("locked_imports.py")
    done = subprocess.run(
        [sys.executable, "-I", script, service, tmp_path / "code", folder / "requirements.txt"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == str(tmp_path / "code" / service)


def test_torch_is_locked_for_training_alone() -> None:
    heavy = {
        name
        for name in SERVICES
        if "\ntorch==" in (ROOT / "services" / name / "requirements.txt").read_text()
    }
    assert heavy == {"training"}


def test_every_package_of_an_image_is_locked_by_digest() -> None:
    locks = [IMAGES / "requirements.txt", *ROOT.glob("services/*/requirements.txt")]
    assert len(locks) == len(SERVICES) + 1
    for lock in locks:
        pinned = [line for line in lock.read_text().splitlines() if line and line[0].isalnum()]
        assert pinned
        assert all("==" in line and line.endswith("\\") for line in pinned), lock
    assert "--require-hashes" in (IMAGES / "assemble.sh").read_text()


def test_each_service_has_an_image_that_runs_its_own_command() -> None:
    for service in SERVICES:
        assert command_of(service) == ["python", "-m", f"{service}.app"]


def test_the_last_stage_holds_no_compiler_and_is_nobody_by_number() -> None:
    runtime = stage(dockerfile(), "runtime")
    installed = [one.text for one in runtime if one.word == "RUN"]
    assert all("gcc" not in text and "build-essential" not in text for text in installed)
    assert [one.text for one in runtime if one.word == "USER"] == ["10001:10001"]
    assert [one.text for one in runtime if one.word == "STOPSIGNAL"] == ["SIGTERM"]
    copies = [one.text for one in runtime if one.word == "COPY"]
    assert copies == ["--from=build /opt/millrace /opt/millrace"]
    labels = " ".join(one.text for one in runtime if one.word == "LABEL")
    assert set(re.findall(r"org\.opencontainers\.image\.(\w+)=", labels)) == {
        "title", "description", "version", "revision", "source", "licenses",
    }  # fmt: skip
    arguments = {one.text.partition("=")[0] for one in runtime if one.word == "ARG"}
    assert set(re.findall(r"\$\{(\w+)\}", labels)) == arguments
    assert arguments == {"SERVICE", "VERSION", "REVISION", "SOURCE"}


def test_an_image_is_built_on_one_exact_version_of_python() -> None:
    [base] = [one.text for one in dockerfile() if one.text.startswith("PYTHON=")]
    assert re.fullmatch(r"PYTHON=python:3\.11\.\d+-slim-[a-z]+", base)
    froms = [one.text.split()[0] for one in dockerfile() if one.word == "FROM"]
    assert set(froms) == {"${PYTHON}", "runtime", "${SERVICE}"}


def test_everything_that_is_written_lies_on_a_volume() -> None:
    runtime = stage(dockerfile(), "runtime")
    home = settings_of_image()["MILLRACE_HOME"]
    assert [one.text for one in runtime if one.word == "VOLUME"] == [home]


def test_the_linter_of_dockerfiles_finds_nothing() -> None:
    linter = shutil.which("hadolint", path=f"{ROOT}/.venv/bin:{os.environ['PATH']}")
    assert linter, "hadolint is not installed, and no wheel of it fits this machine"
    done = subprocess.run(
        [linter, str(IMAGES / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def wheel_of(project: Path, folder: Path) -> Path:
    """Build a project's wheel into a folder, as `assemble.sh` does."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", str(folder)], cwd=project, check=True)
    [wheel] = folder.glob("*.whl")
    return wheel


def dockerfile() -> list[Instruction]:
    return instructions(IMAGES / "Dockerfile")


def command_of(service: str) -> list[str]:
    [command] = [one for one in stage(dockerfile(), service) if one.word == "CMD"]
    return command.arguments


def settings_of_image() -> dict[str, str]:
    found = [one for one in stage(dockerfile(), "runtime") if one.word == "ENV"]
    pairs = dict(pair.split("=", 1) for one in found for pair in one.text.split())
    return {name: value for name, value in pairs.items() if name.startswith("MILLRACE_")}


def healthy(python: Path, environment: dict[str, str]) -> bool:
    """Ask as the image's own health check does."""
    [check] = [one for one in stage(dockerfile(), "runtime") if one.word == "HEALTHCHECK"]
    done = subprocess.run(
        check.arguments, env=environment, executable=python, capture_output=True, check=False
    )
    return done.returncode == 0
