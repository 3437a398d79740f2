"""What inference refuses, shown on whatever made the model."""

from collections.abc import Sequence
from typing import TypeVar

from chassis.database import Transaction
from chassis.wire import Wire
from training.operations import registry

W = TypeVar("W", bound=Wire)


async def with_refusals(tx: Transaction, shown: Sequence[W], model: str) -> list[W]:
    """Return wire models whose `model_refusal` says why the model named by `model` is refused."""
    found = await registry.refusals(tx, [getattr(each, model) for each in shown])
    return [
        each.model_copy(update={"model_refusal": found.get(getattr(each, model))}) for each in shown
    ]
