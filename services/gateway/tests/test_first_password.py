"""The operator's made-up password: where it is told, and how long it is kept."""

from pathlib import Path
from typing import Any

import pytest

from gateway.tests.stage import PASSWORD, Recorder, Stage, play

OPERATOR = "admin@example.com"
_MADE_UP: dict[str, Any] = {"admin_password": None, "profile": "production"}


async def _operator(stage: Stage, password: str) -> Any:
    signed_in = await stage.login(OPERATOR, password=password)
    return stage.client(Authorization=f"Bearer {signed_in['access']}")


async def _change(client: Any, door: str, old: str) -> None:
    bodies = {
        "/api/v1/auth/password/change/": {
            "old_password": old,
            "new_password1": PASSWORD,
            "new_password2": PASSWORD,
        },
        "/api/v1/users/change_password/": {"old_password": old, "new_password": PASSWORD},
    }
    changed = await client.post(door, json=bodies[door])
    assert changed.status_code == 200, changed.text


async def test_only_the_path_of_a_made_up_password_is_printed_and_once(
    tmp_path: Path, keys: Path, recorder: Recorder, capfd: pytest.CaptureFixture[str]
) -> None:
    for told in (1, 0):
        async with play(tmp_path, keys, recorder, **_MADE_UP) as stage:
            file = tmp_path / "admin-password"
            password = file.read_text().strip()
            assert file.stat().st_mode & 0o777 == 0o600
            printed = "".join(capfd.readouterr())
            assert printed.count(str(file)) == told
            assert password not in printed
            assert (await stage.login(OPERATOR, password=password))["access"]


@pytest.mark.parametrize(
    "door", ["/api/v1/auth/password/change/", "/api/v1/users/change_password/"]
)
async def test_the_file_is_removed_once_the_operator_has_another_password(
    tmp_path: Path, keys: Path, recorder: Recorder, door: str
) -> None:
    file = tmp_path / "admin-password"
    async with play(tmp_path, keys, recorder, **_MADE_UP, registration="open") as stage:
        password = file.read_text().strip()
        ada = await stage.admin()
        await _change(ada, door, PASSWORD)
        assert file.exists()  # somebody else's password is no reason
        operator = await _operator(stage, password)
        await _change(operator, door, password)
        assert not file.exists()
        assert await _operator(stage, PASSWORD)
    async with play(tmp_path, keys, recorder, **_MADE_UP) as stage:
        assert not file.exists()
        assert await _operator(stage, PASSWORD)


async def test_a_file_whose_password_was_changed_elsewhere_is_removed_at_the_start(
    tmp_path: Path, keys: Path, recorder: Recorder
) -> None:
    file = tmp_path / "admin-password"
    async with play(tmp_path, keys, recorder, **_MADE_UP) as stage:
        password = file.read_text().strip()
        await _change(await _operator(stage, password), "/api/v1/users/change_password/", password)
    file.write_text(f"{password}\n")
    async with play(tmp_path, keys, recorder, **_MADE_UP) as stage:
        assert not file.exists()


async def test_a_file_that_cannot_be_removed_fails_no_change(
    tmp_path: Path, keys: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "admin-password"
    async with play(tmp_path, keys, recorder, **_MADE_UP) as stage:
        password = file.read_text().strip()
        operator = await _operator(stage, password)

        def refuse(*_args: Any, **_options: Any) -> None:
            raise PermissionError("a file system that may only be read")

        monkeypatch.setattr(Path, "unlink", refuse)
        await _change(operator, "/api/v1/users/change_password/", password)
        assert await _operator(stage, PASSWORD)
