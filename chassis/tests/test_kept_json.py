"""What earlier releases kept can be read and told."""

import json

from chassis import kept_json


def test_half_a_pair_that_was_kept_is_replaced() -> None:
    kept = json.dumps({"a\ud800": ["\udfffx", {"b": "x\ud83d"}], "n": 1})
    assert kept_json.read(kept) == {"a\ufffd": ["\ufffdx", {"b": "x\ufffd"}], "n": 1}


def test_what_is_sound_is_read_as_it_is() -> None:
    for value in ("\U0001f600", ["ü", None, 1.5, True], {"\\ud800": "\\ud83d"}):
        assert kept_json.read(json.dumps(value)) == value
        assert kept_json.read(json.dumps(value, ensure_ascii=False)) == value
