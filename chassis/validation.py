"""From a validator's findings to the sentences that clients see, in one voice for all dialects."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from chassis.parsing import Unreadable
from chassis.problems import NON_FIELD, Invalid, Malformed, NotFound, Problem, bounded

REQUIRED = "This field is required."
_PLAIN = {
    "missing": REQUIRED,
    "string_too_short": "This field may not be blank.",
    "int_type": "A valid integer is required.",
    "int_parsing": "A valid integer is required.",
    "int_from_float": "A valid integer is required.",
    "int_parsing_size": "A valid integer is required.",
    "float_type": "A valid number is required.",
    "float_parsing": "A valid number is required.",
    "finite_number": "A valid number is required.",
    "bool_type": "Must be a valid boolean.",
    "bool_parsing": "Must be a valid boolean.",
    "string_type": "Not a valid string.",
    "string_unicode": "Not a valid string.",
    "uuid_parsing": "Must be a valid UUID.",
    "uuid_type": "Must be a valid UUID.",
    "dict_type": "Must be a JSON object (dict).",
    "model_type": "Must be a JSON object (dict).",
    "model_attributes_type": "Must be a JSON object (dict).",
    "list_type": "Expected a list of items.",
}


def message_of(error: dict[str, Any]) -> str:
    """Return the sentence for one finding of pydantic's."""
    kind, context = error["type"], error.get("ctx", {})
    if kind != "missing" and error.get("input", ...) is None:
        return "This field may not be null."
    if kind in {"enum", "literal_error"}:
        return f'"{bounded(str(error.get("input")))}" is not a valid choice.'
    if kind == "string_too_long":
        return f"Ensure this field has no more than {context['max_length']} characters."
    if kind in {"less_than_equal", "less_than"}:
        return f"Ensure this value is less than or equal to {context.get('le', context.get('lt'))}."
    if kind in {"greater_than_equal", "greater_than"}:
        bound = context.get("ge", context.get("gt"))
        return f"Ensure this value is greater than or equal to {bound}."
    if kind == "value_error":
        return bounded(str(context.get("error", error["msg"])))
    return _PLAIN.get(kind, str(error["msg"]))


def problem_of(errors: Sequence[Any], *, status: int = 400) -> Problem:
    """Return the refusal for a list of findings; `status` is what the dialect answers for values.

    A path parameter that cannot be read names nothing, so it is a 404; broken JSON is a 400 in
    every dialect.
    """
    fields: dict[str, list[str]] = {}
    for error in errors:
        place, *rest = [str(part) for part in error["loc"]] or ["body"]
        if place == "path":
            return NotFound()
        if error["type"] == "json_invalid":
            return Malformed(f"JSON parse error - {error.get('ctx', {}).get('error', '')}".strip())
        if error["type"] == "missing" and not rest:
            return Malformed("The request needs a JSON body.")
        field = ".".join(part for part in rest if not part.startswith("function-")) or NON_FIELD
        fields.setdefault(field, []).append(message_of(error))
    return Invalid(fields=fields, status=status)


def problem_in(error: ValidationError | Unreadable) -> Problem:
    """Return the refusal of one record or row, as if it had been the body of a request."""
    if isinstance(error, Unreadable):
        found = error.findings
    else:
        found = list(error.errors(include_url=False))
    return problem_of([{**each, "loc": ("body", *each["loc"])} for each in found])
