"""What is told of an item beside its id: its metadata, as far as it is brief."""

import json
from collections.abc import Mapping
from typing import Any

#: Members of one item's metadata that are told, and characters of each as JSON.
_MEMBERS = 30
_CHARACTERS = 200


def brief(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that are short: a category and a price, but no article."""
    short = ((name, value) for name, value in metadata.items() if _is_short(name, value))
    return dict(list(short)[:_MEMBERS])


def _is_short(name: str, value: Any) -> bool:
    return len(name) + len(json.dumps(value, ensure_ascii=False)) <= _CHARACTERS
