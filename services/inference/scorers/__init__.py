"""The engine of inference: a verified artefact becomes an immutable scorer that answers with numpy.

How serving uses it::

    from inference import scorers

    # Both block: call them in a thread.
    scorer = scorers.load(folder, public_keys=keys, expected_digest=event.artefact_digest)
    scorers.prove(scorer)

    ranking = scorer.recommend(history, k=10, exclude={"a"}, allowed=active_mask)
    reasons = scorer.contributions(history, ranking, top=3)

- `load` raises `ArtefactRefused` (missing, truncated, altered, wrongly signed, of an unknown kind
  or format, too large) and reads nothing that could run. `expected_digest` may be left out.
- `prove` raises `ProofFailed`, an `ArtefactRefused` too, where an answer differs from training's.
- `history` is any sequence of `Past(item, weight, age)` (age in seconds), in any order; the same
  item may repeat. The strongest weight and the latest time of an item count. Who asks more than
  once about the same history says `read = scorer.read(history)` first, and passes that.
- `active_mask = scorer.mask(active_item_ids)` is made once per change of the catalogue, not per
  request.
- `read(folder, ...)` gives manifest and verified files of an artefact of any kind, for the scorers
  of towers and trees, which build themselves on it.
- See `scorer.Scorer` for every call. A scorer never changes; swapping models is assigning a new
  one.
"""

from inference.scorers.loading import ArtefactRefused, load, read
from inference.scorers.proofs import ProofFailed, prove
from inference.scorers.scorer import (
    HISTORY_LIMIT,
    History,
    Past,
    Profile,
    Ranking,
    Reason,
    Scorer,
    Shares,
    Trait,
    strongest,
)

__all__ = [
    "HISTORY_LIMIT",
    "ArtefactRefused",
    "History",
    "Past",
    "Profile",
    "ProofFailed",
    "Ranking",
    "Reason",
    "Scorer",
    "Shares",
    "Trait",
    "load",
    "prove",
    "read",
    "strongest",
]
