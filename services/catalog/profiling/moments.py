"""Times as people write them, as moments in UTC."""

from collections.abc import Callable, Sequence
from functools import partial

import polars as pl

Reading = Callable[[pl.Expr], pl.Expr]

_MICROSECONDS = pl.Datetime("us", "UTC")

_ZONED = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z")
_LOCAL = (
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y/%m/%d %H:%M",
    "%m/%d/%Y %H:%M:%S%.f",
    "%m/%d/%Y %H:%M",
)
_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%m/%d/%Y", "%d.%m.%Y", "%Y%m%d")
# A number below these counts seconds, milliseconds or microseconds; above, nanoseconds.
_SECONDS, _MILLISECONDS, _MICRO = 1e11, 1e14, 1e17


def moment(name: str, kind: pl.DataType, *, readings: Sequence[Reading] = ()) -> pl.Expr:
    """Return a column as moments; what cannot be read becomes null.

    Texts are tried against the readings in turn, all of them unless told.
    """
    column = pl.col(name)
    if isinstance(kind, pl.Datetime):
        local = column.cast(pl.Datetime("us", kind.time_zone))
        if kind.time_zone is None:
            return local.dt.replace_time_zone("UTC")
        return local.dt.convert_time_zone("UTC")
    if isinstance(kind, pl.Date):
        return column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if kind.is_numeric():
        return _counted(column.cast(pl.Float64))
    text = column.cast(pl.String).str.strip_chars()
    return pl.coalesce(read(text) for read in readings or READINGS)


def likely(sample: pl.Series) -> list[Reading]:
    """Return the readings that make sense of at least one text of a sample."""
    text = pl.col(sample.name).cast(pl.String).str.strip_chars()
    found = sample.to_frame().select(
        read(text).is_not_null().any().alias(str(n)) for n, read in enumerate(READINGS)
    )
    return [read for read, fits in zip(READINGS, found.row(0), strict=True) if fits]


def _zoned(form: str, text: pl.Expr) -> pl.Expr:
    offset = text.str.replace("Z$", "+00:00")
    return offset.str.to_datetime(form, strict=False, time_unit="us").cast(_MICROSECONDS)


def _local(form: str, text: pl.Expr) -> pl.Expr:
    read = text.str.to_datetime(form, strict=False, time_unit="us")
    return read.dt.replace_time_zone("UTC")


def _day(form: str, text: pl.Expr) -> pl.Expr:
    day = text.str.to_date(form, strict=False)
    return day.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _number(text: pl.Expr) -> pl.Expr:
    return _counted(text.cast(pl.Float64, strict=False))


def _counted(number: pl.Expr) -> pl.Expr:
    """Read a number as seconds, milliseconds, microseconds or nanoseconds, by its size."""
    size = number.abs()
    micros = (
        pl.when(size < _SECONDS)
        .then(number * 1e6)
        .when(size < _MILLISECONDS)
        .then(number * 1e3)
        .when(size < _MICRO)
        .then(number)
        .otherwise(number / 1e3)
    )
    sound = number.is_finite() & (size < 1e19)
    return pl.when(sound).then(micros).cast(pl.Int64, strict=False).cast(_MICROSECONDS)


#: Every way in which a text is read as a moment; the first that fits counts.
READINGS: tuple[Reading, ...] = (
    *(partial(_zoned, form) for form in _ZONED),
    *(partial(_local, form) for form in _LOCAL),
    *(partial(_day, form) for form in _DAYS),
    _number,
)
