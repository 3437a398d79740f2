"""Times as people write them, as moments in UTC."""

import polars as pl

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


def moment(name: str, kind: pl.DataType) -> pl.Expr:
    """Return a column as moments; what cannot be read becomes null."""
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
    return _written(column.cast(pl.String).str.strip_chars())


def _written(text: pl.Expr) -> pl.Expr:
    zoned = text.str.replace("Z$", "+00:00")
    readings = [
        *(_read(zoned, form).cast(_MICROSECONDS) for form in _ZONED),
        *(_read(text, form).dt.replace_time_zone("UTC") for form in _LOCAL),
        *(
            text.str.to_date(form, strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
            for form in _DAYS
        ),
        _counted(text.cast(pl.Float64, strict=False)),
    ]
    return pl.coalesce(readings)


def _read(text: pl.Expr, form: str) -> pl.Expr:
    return text.str.to_datetime(form, strict=False, time_unit="us")


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
