"""`/api/v1/project` (Recotem)."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from catalog.operations import projects
from chassis.crud import resource
from chassis.wire import Name, Text, Wire, router

project_router = router(tags=["project"])


class ProjectIn(Wire):
    name: Name
    user_column: Name
    item_column: Name
    time_column: Annotated[Text, Field(max_length=256)] | None = None


class ProjectOut(Wire):
    id: int
    name: str
    owner: int | None
    user_column: str
    item_column: str
    time_column: str | None
    ins_datetime: datetime
    updated_at: datetime


resource(
    project_router,
    "/api/v1/project",
    body=ProjectIn,
    wire=ProjectOut,
    operations=projects,
    filters={"id": int, "name": str},
)
