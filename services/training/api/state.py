"""What routes need of the process that they run in: its runner and its settings."""

from typing import Annotated

from fastapi import Depends, Request

from training.operations.runner import Runner
from training.settings import TrainingSettings


async def _runner(request: Request) -> Runner:
    runner: Runner = request.app.state.runner
    return runner


async def _settings(request: Request) -> TrainingSettings:
    settings: TrainingSettings = request.app.state.settings
    return settings


AtWork = Annotated[Runner, Depends(_runner)]
OwnSettings = Annotated[TrainingSettings, Depends(_settings)]
