"""What the columns of a table hold: texts that spell numbers or flags exactly are read as such.

Formats make no difference here: equal values become the same column, whether they came as texts or
with types of their own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

#: Whole numbers and fractions as JSON and Python spell them, and in no other way: 007, 1.10 and 1e5
#: are texts that would change.
_WHOLE = r"^(0|-?[1-9][0-9]{0,18})$"
_PLAIN = r"-?(0|[1-9][0-9]{0,15})(\.(0|[0-9]*[1-9]))?"
_LARGE = r"\+(1[6-9]|[2-9][0-9]|[1-3][0-9]{2})"
_SMALL = r"-(0[5-9]|[1-9][0-9]|[1-3][0-9]{2})"
_DECIMAL = rf"^({_PLAIN}|-?[1-9](\.[0-9]*[1-9])?e({_LARGE}|{_SMALL}))$"
_FLAGS = ("true", "false", "True", "False", "TRUE", "FALSE")
_LEAST = -(2**63)

#: Types whose values are read as if they had come as text, since JSON may not hold them.
_AS_TEXT = (pl.UInt64, pl.Int128, pl.UInt128, pl.Decimal)


@dataclass(frozen=True, slots=True)
class Guesses:
    """The columns whose texts spell nothing but numbers or flags."""

    wholes: frozenset[str] = frozenset()
    decimals: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()


def guess(frame: pl.LazyFrame, kinds: Mapping[str, pl.DataType]) -> Guesses:
    """Look at all texts of these columns, which are named by numbers."""
    texts = {name: _text(name, kind) for name, kind in kinds.items() if _is_textual(kind)}
    shapes: dict[str, pl.Expr] = {}
    for name, text in texts.items():
        some = text.is_not_null().any()
        shapes[f"whole {name}"] = some & text.str.contains(_WHOLE).all()
        shapes[f"decimal {name}"] = some & text.str.contains(_DECIMAL).all()
        shapes[f"flag {name}"] = some & text.is_in(_FLAGS).all()
    shaped = _true(frame, shapes)
    fits = {name: _fits(texts[name]) for name in _named(shaped, "whole")}
    exact = {name: _is_exact(texts[name]) for name in _named(shaped, "decimal")}
    wholes = _true(frame, fits)
    decimals = _true(frame, exact) - wholes
    return Guesses(frozenset(wholes), frozenset(decimals), frozenset(_named(shaped, "flag")))


def typed(name: str, kind: pl.DataType, guesses: Guesses) -> pl.Expr:
    """Return a column with the type of all its values."""
    text = _text(name, kind)
    if name in guesses.wholes:
        return text.cast(pl.Int64)
    if name in guesses.decimals:
        return text.cast(pl.Float64)
    if name in guesses.flags:
        return text.str.to_lowercase() == "true"
    if kind == pl.Float32:
        # Its shortest spelling is what was meant; the nearest double has digits that nobody wrote.
        return pl.col(name).cast(pl.String).cast(pl.Float64)
    if isinstance(kind, pl.Date | pl.Datetime | pl.Time):
        return _iso(name, kind)
    return text if _is_textual(kind) else pl.col(name)


def spelled(name: str, kind: pl.DataType) -> pl.Expr:
    """Return a column of ids as text."""
    text = pl.col(name).cast(pl.String)
    if not kind.is_float():
        return text
    # As JSON and Python spell exponents.
    return text.str.replace(r"e([0-9])", "e+${1}").str.replace(r"e-([0-9])$", "e-0${1}")


def _is_textual(kind: pl.DataType) -> bool:
    return kind == pl.String or isinstance(kind, _AS_TEXT)


def _text(name: str, kind: pl.DataType) -> pl.Expr:
    return pl.col(name) if kind == pl.String else pl.col(name).cast(pl.String)


def _fits(text: pl.Expr) -> pl.Expr:
    """Tell whether all are integers whose size fits into 63 bits, as for numbers in any body."""
    number = text.cast(pl.Int64, strict=False)
    return (text.is_null() | (number.is_not_null() & (number > _LEAST))).all()


def _is_exact(text: pl.Expr) -> pl.Expr:
    """Tell whether the shortest spelling of each number has the digits that were written."""
    number = text.cast(pl.Float64, strict=False)
    same = _digits(number.cast(pl.String)) == _digits(text)
    return (text.is_null() | same.fill_null(value=False)).all()


def _digits(text: pl.Expr) -> pl.Expr:
    mantissa = text.str.replace(r"e.*$", "").str.replace_all(r"[-.]", "")
    return mantissa.str.strip_chars("0")


def _iso(name: str, kind: pl.DataType) -> pl.Expr:
    """Spell times here: Python knows neither nanoseconds nor years above 9999."""
    form = "%Y-%m-%dT%H:%M:%S%.f"
    if isinstance(kind, pl.Date):
        form = "%Y-%m-%d"
    elif isinstance(kind, pl.Time):
        form = "%H:%M:%S%.f"
    elif isinstance(kind, pl.Datetime) and kind.time_zone:
        form += "%:z"
    return pl.col(name).dt.to_string(form)


def _true(frame: pl.LazyFrame, wanted: Mapping[str, pl.Expr]) -> set[str]:
    if not wanted:
        return set()
    chosen = [expression.alias(name) for name, expression in wanted.items()]
    found = frame.select(chosen).collect(engine="streaming").row(0)
    return {name for name, is_so in zip(wanted, found, strict=True) if is_so}


def _named(found: Iterable[str], what: str) -> list[str]:
    return [name.removeprefix(f"{what} ") for name in found if name.startswith(f"{what} ")]
