"""Numbers and messages on the wire: each bounded, whatever is sent."""

import json
from typing import Annotated

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from chassis.edge import body_of
from chassis.problems import MAX_MESSAGE, Invalid
from chassis.validation import problem_in
from chassis.wire import CamelWire, Key, Real, Whole


class Counted(CamelWire):
    thing_id: Key
    share: Annotated[Real, Field(ge=0, le=1)] = 0.5
    rounds: Annotated[Whole, Field(ge=1)] | None = None
    is_there: bool = False


COUNTED = TypeAdapter(Counted)


@pytest.mark.parametrize(
    "number", ["true", "false", "1e308", "1e400", "-1e400", "1.5", "null", "{}"]
)
@pytest.mark.parametrize("name", ["thingId", "thing_id"])
def test_a_key_is_a_whole_number_of_64_bits(name: str, number: str) -> None:
    with pytest.raises(ValidationError) as refused:
        COUNTED.validate_json(f'{{"{name}": {number}}}')
    assert list(problem_in(refused.value).fields) == [name]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("share", value) for value in (True, 1e308, -1e-300, float("nan"), float("inf"), 2**64)),
        *(("rounds", value) for value in (True, False, 0, -0.0, 2**31, 2**63, 10**4000, 1.5)),
        *(("thingId", value) for value in (2**63, -(2**63), 2**64, "9" * 5000, "1e3", "")),
    ],
)
def test_a_number_is_of_its_range_and_no_boolean(member: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        COUNTED.validate_python({"thingId": 1, member: value})
    problem = problem_in(refused.value)
    assert list(problem.fields) == [member]
    assert len(body_of(problem, "/")) < 8 * MAX_MESSAGE


def test_numbers_and_booleans_are_read() -> None:
    read = COUNTED.validate_python({"thingId": "5", "share": 1, "rounds": 2.0, "isThere": True})
    assert read == Counted(thing_id=5, share=1.0, rounds=2, is_there=True)


def test_a_problem_can_be_written_whatever_it_quotes() -> None:
    sent = "\ud800" + "x" * 1_000_000
    problem = Invalid(sent, fields={"a\udfff": [sent, {"b": sent[:9]}]}, members={"c": "\ud83d"})
    told = json.loads(body_of(problem, "/\udc00").decode())
    assert told["detail"].startswith("?xxx")
    assert len(told["a?"][0]) == MAX_MESSAGE + 1
    assert (told["c"], told["instance"]) == ("?", "/?")
