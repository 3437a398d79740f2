"""Why an item is recommended, in a sentence that is true to the computation."""

from collections.abc import Callable, Sequence

#: How many past items a sentence names.
NAMED = 3
NEW_USER = "Popular with everybody; nothing is known about this user yet."
NEW_TASTE = "Popular with everybody; the models do not know this user's past items yet."
FILLED_UP = "Popular with everybody; the user's history gives no more."
NEWEST = "New in the catalogue; nobody has done anything here yet."
WHOLE_HISTORY = "Based on your interaction history as a whole."


def because_of(past: Sequence[str], title: Callable[[str], str]) -> str:
    """Return the sentence for past items that raised the score most, strongest first."""
    if not past:
        return WHOLE_HISTORY
    *others, last = [f'"{title(item)}"' for item in past[:NAMED]]
    named = f"{', '.join(others)} and {last}" if others else last
    return f"Because of your interest in {named}."
