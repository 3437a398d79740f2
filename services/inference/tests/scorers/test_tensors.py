"""Arrays are views of the file's bytes, and only of a file that holds exactly them."""

import json
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from inference.scorers.arrays import Misshapen
from inference.scorers.tensors import views

ARRAYS: dict[str, np.ndarray[Any, np.dtype[Any]]] = {
    "halves": np.arange(3, dtype=np.float16),
    "weights": np.arange(12, dtype=np.float32).reshape(3, 4),
    "scores": np.linspace(0, 1, 5),
    "indices": np.array([[1, -2]], dtype=np.int32),
    "offsets": np.array([0, 7, 2**40]),
    "names.bytes": np.frombuffer("äb".encode(), np.uint8),
    "seen": np.array([True, False, True]),
    "nothing": np.zeros((0, 3), np.float32),
    "one": np.array(5.0, np.float32),
}


def file(header: Any, content: bytes = b"") -> bytes:
    """Return a file with this header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content


def floats(begin: int, end: int, *shape: Any) -> dict[str, Any]:
    """Return a header's entry."""
    return {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, end]}


def test_what_the_library_writes_is_read_as_it_was() -> None:
    found = views(save(ARRAYS, metadata={"made": "by a test"}))
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_nothing_is_copied() -> None:
    content = save({"weights": np.ones((100, 100), np.float32)})
    whole = np.frombuffer(content, np.uint8)
    assert np.shares_memory(views(content)["weights"], whole)


BROKEN = {
    "empty": b"",
    "cut off": save(ARRAYS)[:40],
    "data cut off": save(ARRAYS)[:-1],
    "longer": save(ARRAYS) + b"\0",
    "endless header": (2**63).to_bytes(8, "little"),
    "no JSON": file(b"{"),
    "no text": file(b"\xff\xfe"),
    "no object": file([1]),
    "no entry": file({"a": 1}),
    "no members": file({"a": {}}),
    "unknown type": file({"a": {"dtype": "F8", "shape": [1], "data_offsets": [0, 1]}}, b"1"),
    "too short for its shape": file({"a": floats(0, 4, 2)}, b"1234"),
    "negative": file({"a": floats(0, 4, -1, -1)}, b"1234"),
    "no number": file({"a": floats(0, 4, True)}, b"1234"),
    "a hole": file({"a": floats(0, 4, 1), "b": floats(8, 12, 1)}, bytes(12)),
    "an overlap": file({"a": floats(0, 8, 2), "b": floats(4, 12, 2)}, bytes(12)),
    "beyond the end": file({"a": floats(0, 8, 2)}, bytes(4)),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_not_whole_is_refused(how: str) -> None:
    with pytest.raises(Misshapen):
        views(BROKEN[how])
