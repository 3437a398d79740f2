"""The manifest's digest covers what a model is and nothing else."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from contracts.artefact import Manifest, file_digest


def manifest(**changes: object) -> Manifest:
    known: dict[str, object] = {
        "kind": "popularity",
        "learner": "TopPopRecommender",
        "seed": 1,
        "data_digest": "00" * 32,
    }
    return Manifest.model_validate(known | changes)


def test_time_and_signature_are_outside_the_digest() -> None:
    later = manifest(created_at=datetime(2026, 1, 1, tzinfo=UTC), signature="ab")
    assert later.digest == manifest().digest


@pytest.mark.parametrize(
    "change",
    [{"seed": 2}, {"parameters": {"reg": 1.0}}, {"files": {"a.bin": file_digest(b"x")}}],
)
def test_anything_else_changes_the_digest(change: dict[str, object]) -> None:
    assert manifest(**change).digest != manifest().digest


def test_the_order_of_members_does_not_matter() -> None:
    one = manifest(parameters={"a": 1, "b": 2})
    other = manifest(parameters={"b": 2, "a": 1})
    assert one.canonical_bytes() == other.canonical_bytes()


def test_a_manifest_survives_its_own_file() -> None:
    written = manifest(files={"a.bin": file_digest(b"x")}, metrics={"ndcg": 0.25})
    assert Manifest.model_validate_json(written.to_bytes()).digest == written.digest


@pytest.mark.parametrize("name", ["../a", "a/b", ".hidden", ""])
def test_a_file_name_cannot_leave_the_folder(name: str) -> None:
    with pytest.raises(ValidationError):
        manifest(files={name: file_digest(b"x")})


def test_a_number_that_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        manifest(metrics={"ndcg": float("nan")}).canonical_bytes()
