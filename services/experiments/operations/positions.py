"""Refusals of a batch: all or nothing, and the answer says at each position what was wrong."""

from collections.abc import Sequence

from chassis.problems import NON_FIELD, Conflict, Forbidden, Invalid, Problem

_KINDS: dict[int, type[Problem]] = {403: Forbidden, 409: Conflict}


def positional(refusals: Sequence[Problem | None]) -> Problem:
    """Return one refusal for all: of the kind they share, else of invalid values."""
    statuses = {refusal.status for refusal in refusals if refusal}
    kind = _KINDS.get(statuses.pop(), Invalid) if len(statuses) == 1 else Invalid
    spelled = [_members(refusal) for refusal in refusals]
    errors = [
        {"field": f"events.{place}.{name}", "message": message}
        for place, members in enumerate(spelled)
        for name, messages in members.items()
        for message in messages
    ]
    detail = f"{errors[0]['field']}: {errors[0]['message']}"
    return kind(detail, members={"events": spelled, "errors": errors})


def _members(refusal: Problem | None) -> dict[str, list[str]]:
    if refusal is None:
        return {}
    if not refusal.fields:
        return {NON_FIELD: [refusal.detail]}
    return {name: [str(text) for text in texts] for name, texts in refusal.fields.items()}
