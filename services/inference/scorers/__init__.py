"""The engine of inference: a verified artefact becomes an immutable scorer that answers with numpy alone.

How serving uses it::

    from inference import scorers

    scorer = scorers.load(folder, public_key=key, expected_digest=event.artefact_digest)   # blocking: in a thread
    scorers.prove(scorer)                       # raises ProofFailed where an answer differs from training's
    ranking = scorer.recommend(history, k=10, exclude={"a"}, allowed=active_mask)
    reasons = scorer.contributions(history, ranking, top=3)

- `load` raises `ArtefactRefused` (missing, truncated, altered, wrongly signed, unknown kind or format, too large)
  and reads nothing that could run. `expected_digest` is optional.
- `history` is any sequence of `Past(item, weight, age)` (age in seconds), in any order; the same item may repeat.
- `active_mask = scorer.mask(active_item_ids)` is made once per change of the catalogue, not per request.
- See `scorer.Scorer` for every call. A scorer never changes; swapping models is assigning a new one.
"""

from inference.scorers.scorer import HISTORY_LIMIT, Past, Ranking, Reason, Scorer

__all__ = ["HISTORY_LIMIT", "Past", "Ranking", "Reason", "Scorer"]
