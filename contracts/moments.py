"""Moments on the wire: ISO 8601 and epoch milliseconds, and no value that UTC cannot hold."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, WithJsonSchema

#: When an event may have happened: from the first moment on, before the last.
FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MOMENT = datetime(3000, 1, 1, tzinfo=UTC)
_LAST_MS = 32_503_680_000_000
#: A date, a time of day and perhaps an offset. A validator alone also takes a date without a time,
#: and digits as seconds or as milliseconds, by their size.
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}\S*", re.ASCII)
_DATE_TIME = {"type": "string", "format": "date-time"}


def _read_timestamp(sent: object) -> object:
    if type(sent) is int and 0 <= sent <= _LAST_MS:
        return datetime.fromtimestamp(sent / 1000, tz=UTC)
    if isinstance(sent, datetime) or (isinstance(sent, str) and _ISO.fullmatch(sent)):
        return sent
    raise ValueError("Must be ISO 8601 with a time zone, or epoch milliseconds.")


def _within_bounds(moment: datetime) -> datetime:
    if not FIRST_MOMENT <= moment < LAST_MOMENT:
        raise ValueError("Must lie between the years 1970 and 3000.")
    return moment.astimezone(UTC)


def _read_instant(sent: object) -> object:
    if isinstance(sent, datetime) or (isinstance(sent, str) and _ISO.fullmatch(sent)):
        return sent
    raise ValueError("Must be a date with a time, as ISO 8601 writes them.")


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("Must lie between the years 1 and 9999 in UTC.") from None


#: When something happened: ISO 8601 with a time zone, or epoch milliseconds, from 1970 to 3000.
Timestamp = Annotated[
    AwareDatetime,
    BeforeValidator(_read_timestamp),
    AfterValidator(_within_bounds),
    WithJsonSchema({"anyOf": [_DATE_TIME, {"type": "integer", "minimum": 0, "maximum": _LAST_MS}]}),
]
#: Any other moment: ISO 8601, in UTC where it names no offset, from year 1 to year 9999 in UTC.
Instant = Annotated[
    datetime, BeforeValidator(_read_instant), AfterValidator(_in_utc), WithJsonSchema(_DATE_TIME)
]
