"""Several rankings in one: scores brought to the same height, weighed and added (CombSUM)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Voice:
    """One model's candidates, best first, and what its voice counts."""

    name: str
    weight: float
    scores: Mapping[str, float]

    @property
    def unit(self) -> float:
        """Return what one point of this model's score adds to the sum."""
        height = max(map(abs, self.scores.values()), default=0.0)
        return self.weight / height if height > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Fused:
    """An item and the names of the models that raised its score."""

    item: str
    score: float
    voices: tuple[str, ...]


def fuse(voices: Sequence[Voice], *, k: int) -> list[Fused]:
    """Return the k items with the largest sums above 0, largest first, equal ones by their ids."""
    parts: dict[str, dict[str, float]] = {}
    for voice in voices:
        unit = voice.unit
        for item, score in voice.scores.items():
            parts.setdefault(item, {})[voice.name] = score * unit
    found = [
        Fused(item, sum(part.values()), tuple(name for name, share in part.items() if share > 0))
        for item, part in parts.items()
    ]
    raised = [fused for fused in found if fused.score > 0]
    return sorted(raised, key=lambda fused: (-fused.score, fused.item))[:k]


def weights(marks: Sequence[float | None]) -> list[float]:
    """Return what voices count: by how well each ranks, else the first one leads."""
    known = [mark for mark in marks if mark is not None and mark > 0]
    if len(known) == len(marks) and known:
        return [mark / sum(known) for mark in known]
    shares = [0.7 / 2**place for place in range(len(marks))]
    return [share / sum(shares) for share in shares]
