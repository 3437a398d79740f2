"""Conversions: what customers did with what a slot showed them, each counted once by its id."""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, Self

from contracts.conversions import ConversionType

__all__ = ["CENTIUNITS", "ERASED", "Conversion", "ConversionType", "Report", "Source"]

Source = Literal["http", "batch", "kafka"]

#: Stands where the name of an erased user was.
ERASED = "erased"

#: Hundredths of a billing unit by the door that a report came through.
CENTIUNITS: dict[Source, int] = {"http": 100, "batch": 1, "kafka": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A conversion as somebody told it."""

    project_id: int
    slot_id: int
    user_id: str
    item_id: str
    conversion_type: ConversionType
    #: The answer that the customer saw, by its UUID.
    request_id: str | None
    #: Whatever JSON the tenant hung on it.
    details: Any
    source: Source
    #: The id by which a repeat is recognised.
    event_id: str
    #: When it happened: as told, or when it arrived.
    occurred_at: datetime
    #: Whether the time was told; one that we filled in is no part of what was said.
    time_told: bool = False

    def nameless(self) -> Self:
        """Return the report without its user's name: it still counts for what it tells."""
        return replace(self, user_id=ERASED)

    def said(self) -> str:
        """Return what was said, the time aside, in one spelling."""
        return json.dumps(
            [
                self.project_id,
                self.slot_id,
                self.user_id,
                self.item_id,
                self.conversion_type.value,
                self.request_id,
                self.details,
            ],
            sort_keys=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion(Report):
    """A report that was kept."""

    id: int

    def repeats(self, report: Report) -> bool:
        """Tell whether a report under the same id says the same thing."""
        if self.said() != report.said():
            return False
        both_told = self.time_told and report.time_told
        return not both_told or self.occurred_at == report.occurred_at
