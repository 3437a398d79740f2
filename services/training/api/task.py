"""How a job looks inside Recotem's models and searches."""

from datetime import datetime

from chassis.wire import Wire


class TaskOut(Wire):
    task_id: str
    status: str
    date_created: datetime | None
    date_done: datetime | None
    traceback: str | None


class TaskLinkOut(Wire):
    task: TaskOut
