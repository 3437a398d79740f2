"""People: who belongs to a tenant, in which role, and what counts as a password."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Role = Literal["user", "admin", "superuser"]

#: Most characters of a folded name and of a folded address.
USERNAME = 256
EMAIL = 320
_SHORTEST = 8
_LONGEST = 1024
#: The first guesses of everybody who guesses.
_COMMON = frozenset(
    {
        *("password", "password1", "password123", "passw0rd", "12345678", "123456789"),
        *("1234567890", "qwertyui", "qwerty123", "qwertyuiop", "iloveyou", "sunshine"),
        *("princess", "football", "baseball", "superman", "trustno1", "letmein1", "welcome1"),
        *("admin123", "administrator", "11111111", "00000000", "abcd1234", "abc12345"),
        *("1q2w3e4r", "1qaz2wsx", "asdfghjk", "changeme", "starwars", "computer", "whatever"),
    }
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in."""

    id: int
    uid: str
    tenant_id: str
    username: str
    email: str
    name: str
    first_name: str
    last_name: str
    role: Role
    is_active: bool
    created_at: datetime
    last_login_at: datetime | None = None
    last_active_at: datetime | None = None

    @property
    def is_admin(self) -> bool:
        """Tell whether the person administers the tenant."""
        return self.role in {"admin", "superuser"}


def fold(text: str) -> str:
    """Return the spelling under which names and addresses are compared."""
    return text.strip().casefold()


def too_long(*, username: str = "", email: str = "") -> dict[str, list[str]]:
    """Return what is wrong with texts that are too long to be compared, by their field.

    A folded text may have three times as many characters as the text itself.
    """
    found = {}
    for field, text, most in (("email", email, EMAIL), ("username", username, USERNAME)):
        if len(fold(text)) > most:
            written = f"Ensure this field has no more than {most} characters in lower case."
            found[field] = [written]
    return found


def split_name(name: str) -> tuple[str, str]:
    """Return first and last name of a full name."""
    first, _, last = name.strip().partition(" ")
    return first[:150], last.strip()[:150]


def weaknesses(password: str, *, username: str = "", email: str = "") -> list[str]:
    """Return what is wrong with a password, one sentence each; nothing when it will do."""
    found = []
    if len(password) < _SHORTEST:
        found.append(
            f"This password is too short. It must contain at least {_SHORTEST} characters."
        )
    if len(password) > _LONGEST:
        found.append(f"Ensure this field has no more than {_LONGEST} characters.")
    if fold(password) in _COMMON:
        found.append("This password is too common.")
    if password.isdecimal():
        found.append("This password is entirely numeric.")
    names = {fold(username), fold(email), fold(email).partition("@")[0]} - {""}
    if fold(password) in names:
        found.append("The password is too similar to the username.")
    return found
