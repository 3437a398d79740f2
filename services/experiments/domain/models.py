"""Models that are ready, which of them serve, and how good they are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

#: What a model's accuracy is read from: the share of held-out users for whom its list held
#: something relevant; a classifier's own accuracy otherwise.
_MEASURES = ("hit", "accuracy")


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is ready to be served; one without a project serves the whole tenant."""

    id: int
    project_id: int | None
    algorithm: str | None
    ready_at: datetime
    accuracy: float | None


def accuracy_of(metrics: Mapping[str, Any]) -> float | None:
    """Return a model's accuracy in 0 to 1, or None where nobody measured it."""
    for name in _MEASURES:
        value = metrics.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
            return float(value)
    return None


def active(models: Iterable[Model], *, by: datetime) -> list[Model]:
    """Return the models that served at a moment: of each algorithm only the newest does."""
    chosen: dict[object, Model] = {}
    for model in sorted(models, key=lambda model: model.id):
        if model.ready_at <= by:
            chosen[model.algorithm or model.id] = model
    return list(chosen.values())


def mean_accuracy(models: Iterable[Model]) -> float:
    """Return the mean of the accuracies that are known, 0 where none is."""
    known = [model.accuracy for model in models if model.accuracy is not None]
    return round(sum(known) / len(known), 4) if known else 0.0
