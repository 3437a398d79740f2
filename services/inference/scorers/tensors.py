"""Safetensors as views of the bytes that were read: nothing is copied.

The library's own `load` copies every array while it holds the interpreter's lock, so that all
requests would wait for as long as it takes to copy a model.
"""

import json
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import numpy as np

from inference.scorers.arrays import Array, Misshapen

_LENGTH = 8
_TYPES = {
    **{f"F{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
    **{f"I{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"U{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
    "BOOL": np.dtype(bool),
}


def views(content: bytes) -> Mapping[str, Array]:
    """Return the arrays of a safetensors file, which keep `content` alive and cannot be written.

    Raises:
        Misshapen: it is no such file, or the arrays do not fill it exactly.
    """
    start = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    if len(content) < start:
        raise Misshapen("the header is cut off")
    header = _header(content[_LENGTH:start])
    try:
        placed = sorted((_place(told), name) for name, told in header.items())
    except (AttributeError, KeyError, TypeError, ValueError) as wrong:
        raise Misshapen(f"the header is none: {wrong!r}") from wrong
    _check_filled((place for place, _name in placed), len(content) - start)
    return {name: _view(content, start + place[0], header[name]) for place, name in placed}


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except ValueError as wrong:
        raise Misshapen("the header is no JSON") from wrong
    if not isinstance(header, dict):
        raise Misshapen("the header is no object")
    header.pop("__metadata__", None)
    return header


def _place(told: Mapping[str, Any]) -> tuple[int, int]:
    """Return where an array begins and ends, if that is as long as its shape and type need."""
    begin, end = told["data_offsets"]
    sizes = [begin, end, *told["shape"]]
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise ValueError(f"sizes {sizes}")
    if end - begin != prod(told["shape"]) * _TYPES[told["dtype"]].itemsize:
        raise ValueError(f"{end - begin} bytes for {told['dtype']}{told['shape']}")
    return begin, end


def _check_filled(places: Iterable[tuple[int, int]], size: int) -> None:
    reached = 0
    for begin, end in places:
        if begin != reached:
            raise Misshapen(f"array at {begin} instead of {reached}")
        reached = end
    if reached != size:
        raise Misshapen(f"arrays of {reached} bytes in a file that has {size}")


def _view(content: bytes, at: int, told: Mapping[str, Any]) -> Array:
    flat = np.frombuffer(content, _TYPES[told["dtype"]], prod(told["shape"]), at)
    return flat.reshape(told["shape"])
