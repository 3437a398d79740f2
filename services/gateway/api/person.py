"""How a person is spelled: one object with the members of every dialect."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from chassis.wire import Text
from gateway.domain.people import Person


def _address(text: str) -> str:
    name, _, host = text.strip().rpartition("@")
    if not name or not host or any(c.isspace() or not c.isprintable() for c in text.strip()):
        raise ValueError("Enter a valid email address.")
    return text.strip()


Email = Annotated[str, Field(max_length=254), AfterValidator(_address)]
Username = Annotated[Text, Field(min_length=1, max_length=150, pattern=r"^[\w.@+-]+$")]
#: Bounded, because checking one costs time whatever its length.
Password = Annotated[str, Field(max_length=4096)]
ShortText = Annotated[Text, Field(max_length=150)]


def person_out(person: Person, *, public_id: bool) -> dict[str, Any]:
    """Return a person; `id` is the uid where the dialect shows public ids, else the integer."""
    return {
        "id": person.uid if public_id else person.id,
        "pk": person.id,
        "uid": person.uid,
        "tenantId": person.tenant_id,
        "username": person.username,
        "email": person.email,
        "name": person.name,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "role": person.role,
        "is_superuser": person.role == "superuser",
        "is_staff": person.is_admin,
        "is_active": person.is_active,
        "isActive": person.is_active,
        "date_joined": person.created_at,
        "createdAt": person.created_at,
        "last_login": person.last_login_at,
        "lastActiveAt": person.last_active_at or person.last_login_at,
    }
