"""The committed snapshots are what the services promise today, and no promise was broken."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize(
    "text",
    [text for name, text in SNAPSHOTS if name.parts[0] == "openapi"],
    ids=[str(name) for name, _ in SNAPSHOTS if name.parts[0] == "openapi"],
)
def test_every_reference_leads_to_what_the_document_holds(text: str) -> None:
    document = json.loads(text)
    for reference in references(document):
        found = document
        for step in reference.removeprefix("#/").split("/"):
            assert step in found, reference
            found = found[step]


def references(part: Any) -> Iterator[str]:
    """Yield what every `$ref` in a document, or in a part of it, names."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    for each in part if isinstance(part, list) else ():
        yield from references(each)
