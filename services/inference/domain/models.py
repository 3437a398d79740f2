"""Trained models as serving knows them: whose they are and what they may answer."""

from dataclasses import dataclass

HYBRID = "hybrid"
_BOTH = ("collaborative", "content-based")
#: Which models may answer for an algorithm, best first; after them comes popularity. Where two
#: stand together, they answer together: that is the hybrid, which has no training of its own.
STAND_INS: dict[str, tuple[tuple[str, ...], ...]] = {
    HYBRID: (_BOTH,),
    "collaborative": (("collaborative",), ("content-based",)),
    "content-based": (("content-based",), ("collaborative",)),
    "deep-learning": (("deep-learning",), _BOTH),
}
#: Which models say what an item is like, best first.
LIKENESS = _BOTH
POPULARITY = "popularity"


@dataclass(frozen=True, slots=True)
class Model:
    """One version of a model, as its announcement described it."""

    model_id: int
    tenant_id: str
    project_id: int | None
    algorithm: str | None
    version: str
    learner: str
    artefact_key: str
    artefact_digest: str
    artefact_bytes: int
    #: False for a model that popularity beats: it answers only where it is asked for by its id.
    deploys_itself: bool = True

    @property
    def answers_for(self) -> tuple[str, str] | None:
        """Return the tenant and algorithm that this model answers for by itself, if any."""
        if self.algorithm is None or not self.deploys_itself:
            return None
        return self.tenant_id, self.algorithm


class ModelRefused(Exception):
    """The model's artefact is not what it should be; it is never served."""


class ModelMissing(Exception):
    """The model's artefact is not where it was announced, or not yet."""
