"""Public identifiers."""

from uuid import UUID, uuid4

#: Largest integer id that every back end can hold.
MAX_ID = 2**63 - 1


def new_uid() -> str:
    """Return a fresh public identifier: 36 characters, a random UUID."""
    return str(uuid4())


def is_uid(text: str) -> bool:
    """Tell whether the text is a UUID in its canonical spelling."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
