"""Quality of ranked lists against what users really did next."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over users, 0 to 1."""

    ndcg: float
    recall: float
    users: int


def quality(
    ranked: Mapping[str, Sequence[str]], wanted: Mapping[str, set[str]], *, cutoff: int = 10
) -> Quality:
    """Return NDCG and recall at `cutoff` with binary relevance (Järvelin & Kekäläinen, 2002).

    Users without a list count as zero: not answering is no way to look good.
    """
    scores = [
        _of_user(ranked.get(user, ())[:cutoff], items, cutoff) for user, items in wanted.items()
    ]
    count = len(scores) or 1
    return Quality(
        ndcg=sum(ndcg for ndcg, _recall in scores) / count,
        recall=sum(recall for _ndcg, recall in scores) / count,
        users=len(scores),
    )


def _of_user(items: Sequence[str], wanted: set[str], cutoff: int) -> tuple[float, float]:
    gains = [1 / math.log2(rank + 2) for rank, item in enumerate(items) if item in wanted]
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(cutoff, len(wanted))))
    return sum(gains) / ideal, len(gains) / len(wanted)
