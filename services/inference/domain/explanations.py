"""Why an item is recommended, in a sentence that is true to the computation."""

from collections.abc import Callable, Sequence

#: How many past items a sentence names.
NAMED = 3
NEW_USER = "Popular with everybody; nothing is known about this user yet."
NEW_TASTE = "Popular with everybody; this user's past items lead the models to nothing yet."
FILLED_UP = "Popular with everybody; the user's history gives no more."
NEWEST = "New in the catalogue; nobody has done anything here yet."
UNTRIED = "Nobody had come to this item when the model was trained; nothing better is left."


def because_of(past: Sequence[str], title: Callable[[str], str]) -> str:
    """Return the sentence for the past items that raised a score most, strongest first."""
    *others, last = [f'"{title(item)}"' for item in past[:NAMED]]
    named = f"{', '.join(others)} and {last}" if others else last
    return f"Because of your interest in {named}."
