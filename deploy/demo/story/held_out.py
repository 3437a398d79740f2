"""Quality on what users did next: every user's last fifth was never shown to the platform."""

import asyncio
from collections import Counter

from demo.measures import Quality, quality
from demo.stage import Stage
from demo.story.recommendations import recommend

_AT_ONCE = 8


async def measure(stage: Stage) -> None:
    """Ask for every user's recommendations and compare them with the held-out items."""
    wanted = stage.split.held_out
    gate = asyncio.Semaphore(_AT_ONCE)

    async def ask(user: str) -> tuple[str, list[str]]:
        async with gate:
            answer = await recommend(stage, user, "collaborative")
        return user, [each["itemId"] for each in answer]

    ranked = dict(await asyncio.gather(*map(ask, wanted)))
    _report(stage, "popularity", quality(_popular(stage), wanted))
    _report(stage, "collaborative", quality(ranked, wanted))


def _popular(stage: Stage) -> dict[str, list[str]]:
    counts = Counter(item for _user, item in {(e.user, e.item) for e in stage.split.train})
    ordered = [item for item, _count in counts.most_common()]
    met: dict[str, set[str]] = {}
    for each in stage.split.train:
        met.setdefault(each.user, set()).add(each.item)
    return {
        user: [item for item in ordered if item not in met.get(user, ())][:10]
        for user in stage.split.held_out
    }


def _report(stage: Stage, name: str, found: Quality) -> None:
    stage.say(
        f"{name:<14} NDCG@10 {found.ndcg:.4f}   recall@10 {found.recall:.4f}   "
        f"({found.users:,} users)"
    )
