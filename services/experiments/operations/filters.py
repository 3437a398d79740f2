"""Filters of lists: from a query's names to the store's, within the reach of the caller's key."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from chassis.identity import Caller
from chassis.problems import Invalid

_NAMES = {"project": "project_id", "deployment_slot": "slot_id", "event_type": "conversion_type"}


def conditions(
    caller: Caller, where: Mapping[str, Any], **choices: type[StrEnum]
) -> dict[str, Any] | None:
    """Return the conditions on rows, or None where the caller's key lets none through.

    Raises:
        Invalid: a filter with choices has none of them.
    """
    for name, kind in choices.items():
        if name in where and where[name] not in set(kind):
            sentence = f"Select a valid choice. {where[name]} is not one of the available choices."
            raise Invalid(fields={name: [sentence]})
    wanted = {_NAMES.get(name, name): value for name, value in where.items()}
    return caller.narrowed(wanted, project="project_id")
