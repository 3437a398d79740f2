"""The demo's data folder: emptied, never another's."""

import os
import tempfile
from pathlib import Path

import pytest

from demo.folder import FolderTaken, empty
from embedded.home import Home, prepare
from embedded.lock import alone_in


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep temporary folders of these tests in a folder of their own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_same_folder_is_used_again_and_is_empty() -> None:
    with empty(None) as first:
        prepare(Home(first))
    with empty(None) as second:
        assert second == first
        assert list(second.iterdir()) == []


def test_a_second_demo_beside_the_first_has_a_folder_of_its_own() -> None:
    with empty(None) as first:
        prepare(Home(first))
        with empty(None) as second:
            assert second != first
        assert (first / "version").exists()


def test_a_stack_that_still_runs_keeps_its_data() -> None:
    with empty(None) as first:
        prepare(Home(first))
    with alone_in(Home(first)):
        with empty(None) as second:
            assert second != first
        with pytest.raises(FolderTaken, match="Millrace runs in"), empty(first):
            pass
    assert (first / "version").exists()


def test_what_is_no_data_of_millrace_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to-ada.txt").write_text("dear Ada")
    with pytest.raises(FolderTaken, match="stays as it is"), empty(tmp_path / "letters"):
        pass
    assert (tmp_path / "letters" / "to-ada.txt").read_text() == "dear Ada"


def test_a_folder_of_another_user_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    with empty(None) as usual:
        prepare(Home(usual))
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(FolderTaken, match="another user"), empty(usual):
        pass


def test_a_place_that_cannot_be_a_folder_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderTaken, match="cannot be used"), empty(tmp_path / "file"):
        pass
