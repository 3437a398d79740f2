"""The committed snapshots are what the services promise today, and no promise was broken."""

import json
from pathlib import Path

import pytest

from contracts.compatibility import breaks
from tests.contract.snapshots import FOLDER, current

SNAPSHOTS = list(current())


@pytest.mark.parametrize(("name", "text"), SNAPSHOTS, ids=[str(name) for name, _ in SNAPSHOTS])
def test_the_snapshot_is_current(name: Path, text: str) -> None:
    assert (FOLDER / name).read_text() == text, "run `make contracts` and commit the result"


@pytest.mark.parametrize(
    ("name", "text"),
    [each for each in SNAPSHOTS if each[0].parts[0] == "schemas"],
    ids=[str(name) for name, _ in SNAPSHOTS if name.parts[0] == "schemas"],
)
def test_old_and_new_services_understand_each_other(name: Path, text: str) -> None:
    assert breaks(json.loads((FOLDER / name).read_text()), json.loads(text)) == []
