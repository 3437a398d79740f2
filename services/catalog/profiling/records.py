"""JSON files as records: an array, one record a line, or one object of columns."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from catalog.profiling.exact import DECODER
from catalog.profiling.formats import Unreadable
from catalog.profiling.limits import Limits

Record = dict[str, Any]
_PIECE = 1024 * 1024
_SPACE = " \t\r\n"


def lines(path: Path, limits: Limits) -> Iterator[Record]:
    """Yield the records of a file that has one on each line.

    Raises:
        ValueError: a line is no JSON.
        Unreadable: a line is no object, or too long.
    """
    with path.open("rb") as file:
        if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            file.seek(0)
        while line := file.readline(limits.record_bytes + 1):
            if len(line) > limits.record_bytes:
                raise Unreadable(f"A record may have {limits.record_bytes} bytes.")
            if line.strip():
                yield _record(DECODER.decode(line.decode()))


def array(path: Path, limits: Limits) -> Iterator[Record]:
    """Yield the records of a file that holds one JSON array, or one object of columns.

    Raises:
        ValueError: the file is no JSON.
        Unreadable: an element is no object, or too long.
    """
    with path.open(encoding="utf-8-sig") as file:
        text = file.read(_PIECE).lstrip(_SPACE)
        if text.startswith("{"):
            yield from _pivoted(text + file.read(limits.columns_bytes), limits)
            return
        if not text.startswith("["):
            raise ValueError("neither an array nor an object")
        yield from _elements(file, text[1:], limits)


def _elements(file: Any, text: str, limits: Limits) -> Iterator[Record]:
    decode = DECODER.raw_decode
    at = 0
    while True:
        at = _skip(text, at)
        if text[at : at + 1] == "]":
            return
        try:
            found, at = decode(text, at)
        except ValueError:
            more = file.read(_PIECE)
            text, at = text[at:] + more, 0
            if not more or len(text) > limits.record_bytes + _PIECE:
                raise
            continue
        yield _record(found)


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] and text[at] in " \t\r\n,":
        at += 1
    return at


def _pivoted(text: str, limits: Limits) -> Iterator[Record]:
    """Yield the rows of `{"column": {"0": …}}` or `{"column": […]}`."""
    if len(text) > limits.columns_bytes:
        raise Unreadable(f"A file of columns may have {limits.columns_bytes} bytes; use records.")
    columns = {name: _column(values) for name, values in _record(DECODER.decode(text)).items()}
    keys = dict.fromkeys(key for column in columns.values() for key in column)
    for key in keys:
        yield {name: column[key] for name, column in columns.items() if key in column}


def _column(values: Any) -> dict[str, Any]:
    if isinstance(values, list):
        return {str(n): value for n, value in enumerate(values)}
    if not isinstance(values, dict):
        raise Unreadable("The file holds neither records nor columns.")
    return values


def _record(found: Any) -> Record:
    if not isinstance(found, dict):
        raise Unreadable("Each record must be an object.")
    return found
