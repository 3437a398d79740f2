"""compose.yaml says what it means: known settings, health, secrets by file, and nothing open."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from embedded.stack import SERVICES
from tests.deploy.settings import variables_of

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "compose"
#: Their images hold no program that could ask from inside.
WITHOUT_HEALTH = {"collector", "traces"}
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the passwords and keys that a user makes at first."""
    folder = tmp_path_factory.mktemp("compose")
    subprocess.run(["sh", str(FOLDER / "prepare.sh"), str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def stack(prepared: Path) -> dict[str, Any]:
    """Return the compose file as the compose specification's own parser reads it."""
    passwords = dict(line.split("=") for line in (prepared / ".env").read_text().splitlines())
    text = (FOLDER / "compose.yaml").read_text()
    # The parser knows no merge keys and no variables, which are YAML's and the client's business.
    merged: dict[str, Any] = yaml.safe_load(text)
    plain = yaml.safe_load(_VARIABLE.sub(lambda found: _value(found, passwords), text))
    parsed = PyCompose.from_yaml(yaml.safe_dump(plain))
    parsed.validate()
    assert set(parsed.service_names()) == set(merged["services"])
    return merged


def test_every_service_runs_from_an_image_of_its_own(stack: dict[str, Any]) -> None:
    for name in SERVICES:
        service = stack["services"][name]
        assert service["image"].startswith(f"millrace-{name}:")
        assert service["build"]["args"] == {"SERVICE": name}
        assert (FOLDER / service["build"]["context"] / service["build"]["dockerfile"]).exists()


def test_every_setting_that_is_named_exists(stack: dict[str, Any]) -> None:
    for name in SERVICES:
        environment = stack["services"][name]["environment"]
        named = {variable for variable in environment if variable.startswith("MILLRACE_")}
        assert named
        assert named <= variables_of(name), name


def test_everything_that_stays_up_is_asked_for_its_health(stack: dict[str, Any]) -> None:
    staying = {
        name: one for name, one in stack["services"].items() if "on-failure" not in one["restart"]
    }
    assert set(SERVICES) < set(staying)
    for name, service in staying.items():
        check = service["healthcheck"]
        assert check == {"disable": True} if name in WITHOUT_HEALTH else check["test"][0] == "CMD"


def test_a_service_waits_for_its_tables_and_topics(stack: dict[str, Any]) -> None:
    for name in SERVICES:
        waits = stack["services"][name]["depends_on"]
        for job in ("topics", f"tables-{name}"):
            assert waits[job] == {"condition": "service_completed_successfully"}
        command = stack["services"][f"tables-{name}"]["command"]
        assert command == ["python", "-m", "chassis.migrations", "upgrade", name]


def test_there_is_a_database_for_each_service() -> None:
    made = re.findall(r"CREATE DATABASE millrace_(\w+);", (FOLDER / "databases.sql").read_text())
    assert set(made) == set(SERVICES)


def test_only_who_signs_holds_a_private_key(stack: dict[str, Any]) -> None:
    holders = {
        key: {name for name in SERVICES if key in stack["services"][name]["secrets"]}
        for key in ("assertion.pem", "artefact.pem")
    }
    assert holders == {"assertion.pem": {"gateway"}, "artefact.pem": {"training"}}
    for name in SERVICES:
        assert "assertion.pub.pem" in stack["services"][name]["secrets"]


def test_our_containers_may_do_nothing_but_their_work(stack: dict[str, Any]) -> None:
    ours = [one for one in stack["services"].values() if one["image"].startswith("millrace-")]
    assert len(ours) > len(SERVICES)
    for container in ours:
        assert container["read_only"] is True
        assert container["cap_drop"] == ["ALL"]
        assert container["security_opt"] == ["no-new-privileges:true"]


def test_no_door_is_open_to_other_machines(stack: dict[str, Any]) -> None:
    doors = [door for one in stack["services"].values() for door in one.get("ports", [])]
    assert doors
    assert all(door.startswith("127.0.0.1:") for door in doors)


def test_no_password_is_written_down(stack: dict[str, Any]) -> None:
    text = (FOLDER / "compose.yaml").read_text()
    secret = [line for line in text.splitlines() if re.search(r"PASSWORD|SECRET_KEY", line)]
    assert secret
    assert all(re.search(r"\$\{\w+:\?\}", line) for line in secret)


def test_what_a_user_prepares_is_complete_and_kept(prepared: Path) -> None:
    text = (FOLDER / "compose.yaml").read_text()
    required = {found[1] for found in _VARIABLE.finditer(text) if found[2] == "?"}
    before = (prepared / ".env").read_text()
    assert {line.split("=")[0] for line in before.splitlines()} == required
    key = (prepared / "secrets" / "assertion.pem").read_bytes()
    assert load_pem_private_key(key, password=None).public_key()
    assert oct((prepared / "secrets").stat().st_mode)[-3:] == "700"
    subprocess.run(["sh", str(FOLDER / "prepare.sh"), str(prepared)], check=True)
    assert (prepared / ".env").read_text() == before
    assert (prepared / "secrets" / "assertion.pem").read_bytes() == key


def test_every_file_that_is_mounted_is_there(stack: dict[str, Any]) -> None:
    mounts = [mount for one in stack["services"].values() for mount in one.get("volumes", [])]
    files = [mount.split(":")[0] for mount in mounts if mount.startswith(".")]
    assert len(files) > 5
    assert [name for name in files if not (FOLDER / name).exists()] == []


def _value(found: re.Match[str], passwords: dict[str, str]) -> str:
    name, mark, default = found.groups()
    return default if mark == "-" else passwords[name]
