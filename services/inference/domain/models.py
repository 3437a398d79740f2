"""Trained models as serving knows them: whose they are and what they may answer."""

from dataclasses import dataclass
from typing import NamedTuple

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


class Place(NamedTuple):
    """What a model may answer: requests for an algorithm of a tenant."""

    tenant_id: str
    algorithm: str
    #: Whether the request named the algorithm; else the model was chosen for it.
    is_named: bool


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
    #: False for a model that popularity beats: it answers only where a request names its algorithm
    #: or its id.
    deploys_itself: bool = True

    @property
    def places(self) -> tuple[Place, ...]:
        """Return what this model may answer without being asked for by its id."""
        if self.algorithm is None:
            return ()
        named = Place(self.tenant_id, self.algorithm, True)
        return (named, named._replace(is_named=False)) if self.deploys_itself else (named,)


class ModelRefused(Exception):
    """The model's artefact is not what it should be; it is never served."""


class ModelMissing(Exception):
    """The model's artefact is not where it was announced, or not yet."""
