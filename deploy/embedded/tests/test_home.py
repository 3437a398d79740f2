"""The data folder: made once, kept, and refused when it cannot serve."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from embedded.failure import Failure
from embedded.home import Home, prepare


def test_a_new_folder_gets_keys_that_only_its_owner_reads(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    prepare(home)
    assert {file.stat().st_mode & 0o777 for file in home.keys.iterdir()} == {0o600}
    assert home.keys.stat().st_mode & 0o777 == 0o700


def test_a_new_folder_is_its_owners_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    prepare(home)
    folders = [home.path, *(each for each in home.path.iterdir() if each.is_dir())]
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}


def test_servers_of_other_accounts_pass_through_and_cannot_look_around(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    prepare(home)
    prepare(home, entered=True)
    assert home.path.stat().st_mode & 0o777 == 0o711
    assert home.keys.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["assertion", "artefact"])
def test_both_halves_of_a_key_belong_together(tmp_path: Path, name: str) -> None:
    home = Home(tmp_path)
    prepare(home)
    private = load_pem_private_key((home.keys / f"{name}.pem").read_bytes(), password=None)
    public = load_pem_public_key((home.keys / f"{name}.pub.pem").read_bytes())
    assert isinstance(private, Ed25519PrivateKey)
    assert isinstance(public, Ed25519PublicKey)
    public.verify(private.sign(b"millrace"), b"millrace")


def test_keys_are_kept(tmp_path: Path) -> None:
    home = Home(tmp_path)
    prepare(home)
    before = (home.keys / "artefact.pem").read_bytes()
    prepare(home)
    assert (home.keys / "artefact.pem").read_bytes() == before


@pytest.mark.parametrize("version", ["0", "2", "soon"])
def test_a_folder_of_another_release_is_refused_untouched(tmp_path: Path, version: str) -> None:
    (tmp_path / "version").write_text(version)
    with pytest.raises(Failure, match=f"another release .layout {version}"):
        prepare(Home(tmp_path))
    assert (tmp_path / "version").read_text() == version


def test_a_place_that_cannot_be_written_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Failure, match="Set MILLRACE_HOME"):
        prepare(Home(tmp_path / "file" / "home"))


def test_a_folder_that_can_only_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(Home(tmp_path))

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(Failure, match=r"cannot be used: Permission denied .*version"):
        prepare(Home(tmp_path))
