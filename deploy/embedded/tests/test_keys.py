"""One key follows another in steps that may be broken off, and that nothing has to wait for."""

from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature

from chassis.keys import private_keys, public_keys
from embedded import __main__ as command_line
from embedded import keys
from embedded.failure import Failure


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in keys.NAMES:
        keys.make(tmp_path, name)
    return tmp_path


def counts(folder: Path, name: str = "assertion") -> tuple[int, int]:
    """Return how many private and public keys there are; what signs must be accepted."""
    privates = private_keys((folder / f"{name}.pem").read_bytes())
    publics = public_keys((folder / f"{name}.pub.pem").read_bytes())
    assert privates[0].public_key() in publics
    return len(privates), len(publics)


def signs(folder: Path) -> bytes:
    first, *_ = private_keys((folder / "assertion.pem").read_bytes())
    return first.public_key().public_bytes_raw()


def test_a_new_key_is_accepted_before_it_signs_and_the_old_one_goes_last(folder: Path) -> None:
    old = signs(folder)
    keys.begin(folder, "assertion")
    assert (counts(folder), signs(folder)) == ((2, 2), old)
    keys.sign(folder, "assertion")
    assert counts(folder) == (2, 2)
    new = signs(folder)
    assert new != old
    keys.finish(folder, "assertion")
    assert (counts(folder), signs(folder)) == ((1, 1), new)
    assert counts(folder, "artefact") == (1, 1)


def test_a_signature_of_the_former_key_is_worth_nothing_at_the_end(folder: Path) -> None:
    former, *_ = private_keys((folder / "artefact.pem").read_bytes())
    for step in (keys.begin, keys.sign, keys.finish):
        step(folder, "artefact")
    (present,) = public_keys((folder / "artefact.pub.pem").read_bytes())
    with pytest.raises(InvalidSignature):
        present.verify(former.sign(b"model"), b"model")


def test_a_step_that_is_taken_twice_changes_nothing(folder: Path) -> None:
    for step in (keys.begin, keys.sign, keys.finish):
        step(folder, "assertion")
        once = {file.name: file.read_bytes() for file in folder.iterdir()}
        if step is not keys.finish:
            step(folder, "assertion")
            assert {file.name: file.read_bytes() for file in folder.iterdir()} == once


def test_a_begin_that_broke_off_between_two_files_is_gone_on_with(folder: Path) -> None:
    public = (folder / "assertion.pub.pem").read_bytes()
    keys.begin(folder, "assertion")
    begun = (folder / "assertion.pub.pem").read_bytes()
    (folder / "assertion.pub.pem").write_bytes(public)
    keys.begin(folder, "assertion")
    assert (folder / "assertion.pub.pem").read_bytes() == begun


def test_signing_needs_a_new_key(folder: Path) -> None:
    with pytest.raises(Failure, match="step `begin`"):
        keys.sign(folder, "assertion")


def test_every_file_stays_its_owners_alone(folder: Path) -> None:
    for step in (keys.begin, keys.sign, keys.finish):
        step(folder, "assertion")
        assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("words", [["bakery"], ["assertion", "--step", "jump"], []])
def test_an_unknown_key_or_step_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["embedded", "rotate-key", *words])
    with pytest.raises(SystemExit):
        command_line.main()
    assert "usage" in capsys.readouterr().err


def test_a_folder_without_keys_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["rotate-key", "assertion", "--step", "begin", "--folder", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["embedded", *words])
    assert command_line.main() == 1
    assert "cannot be read" in capsys.readouterr().out
