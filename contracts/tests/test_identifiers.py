"""What is an id, and what is none."""

import pytest
from pydantic import TypeAdapter, ValidationError

from chassis.testing.ids import NO_IDS, ODD_IDS
from contracts.identifiers import EventIdentifier, Identifier, OptionalIdentifier, fault_in

_IDENTIFIER: TypeAdapter[str] = TypeAdapter(Identifier)
_OPTIONAL: TypeAdapter[str] = TypeAdapter(OptionalIdentifier)
_EVENT: TypeAdapter[str] = TypeAdapter(EventIdentifier)


@pytest.mark.parametrize("text", ODD_IDS, ids=ascii)
def test_any_text_is_an_id(text: str) -> None:
    assert fault_in(text) is None
    assert _IDENTIFIER.validate_python(text) == _OPTIONAL.validate_python(text) == text


@pytest.mark.parametrize("text", NO_IDS, ids=ascii)
def test_what_no_path_or_log_can_hold_is_no_id(text: str) -> None:
    assert fault_in(text)
    for adapter in (_IDENTIFIER, _EVENT):
        with pytest.raises(ValidationError):
            adapter.validate_python(text)


def test_only_an_optional_id_may_be_nothing_at_all() -> None:
    assert _OPTIONAL.validate_python("") == ""
    for text in NO_IDS[1:]:
        with pytest.raises(ValidationError):
            _OPTIONAL.validate_python(text)


def test_an_id_is_no_number_and_no_half_of_a_character() -> None:
    for value in (7, True, None, "\ud800"):
        with pytest.raises(ValidationError):
            _IDENTIFIER.validate_python(value)
