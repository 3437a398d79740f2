"""Recommendations with reasons, and how one purchase changes the next answer."""

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape

from demo.client import Unexpected, eventually
from demo.stage import Stage

_SHOWN = 3


async def show(stage: Stage) -> None:
    """Show a few users what they would be shown, and why."""
    for user in _spread(stage.dataset.users):
        stage.say(f"[bold]{escape(user)}[/bold]")
        answer = await recommend(stage, user)
        for each in answer[:_SHOWN]:
            stage.say(f"    {each['score']:.3f}  {_told(stage, each)}")
        if not answer:
            stage.say("    nothing: this user has met every item there is")
    newcomer = await recommend(stage, "somebody-new")
    stage.say("[bold]somebody new[/bold]")
    for each in newcomer[:1]:
        stage.say(f"    {_told(stage, each)}")


def _spread(users: Sequence[str]) -> Sequence[str]:
    """Return three users from the active half, or as many as there are."""
    return users[: len(users) // 2 or 1][:: max(1, len(users) // 2 // 3)][:3]


def _told(stage: Stage, each: Mapping[str, Any]) -> str:
    title = escape(stage.dataset.title(each["itemId"]))
    return f"{title}  [dim]— {escape(each['explanation'])}[/dim]"


async def buy(stage: Stage) -> None:
    """Record a purchase and time how long it takes until the next answer knows of it."""
    user, before = await _somebody(stage)
    bought = before[0]["itemId"]
    trace = secrets.token_hex(16)
    stage.trace_id = trace
    await stage.back_end.call(
        "POST",
        "/api/v1/interactions",
        json={"userId": user, "itemId": bought, "interactionType": "purchase"},
        headers={"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"},
    )
    started = time.perf_counter()

    async def changed() -> list[dict[str, Any]] | None:
        after = await recommend(stage, user)
        return after if all(each["itemId"] != bought for each in after) else None

    after = await eventually(changed, "an answer that knows of the purchase", seconds=10)
    seconds = time.perf_counter() - started
    stage.say(f"{escape(user)} bought {escape(stage.dataset.title(bought))}")
    stage.say(f"the next answer knew of it {seconds * 1000:.0f} ms later, without retraining:")
    old = {each["itemId"] for each in before}
    for each in [each for each in after if each["itemId"] not in old][:_SHOWN] or after[:1]:
        stage.say(f"    now also {_told(stage, each)}")


async def _somebody(stage: Stage) -> tuple[str, list[dict[str, Any]]]:
    """Return a user whom something is recommended to, neither the busiest nor the laziest."""
    users = stage.dataset.users
    for user in users[len(users) // 3 :]:
        answer = await recommend(stage, user)
        if answer:
            return user, answer
    raise Unexpected(
        f"nobody of {stage.dataset.name} is recommended anything: everybody has met all its items"
    )


async def recommend(
    stage: Stage, user: str, algorithm: str = "hybrid", count: int = 10
) -> list[dict[str, Any]]:
    """Return recommendations for a user."""
    answer: list[dict[str, Any]] = await stage.back_end.call(
        "POST",
        "/api/v1/recommend",
        json={"userId": user, "count": count, "algorithm": algorithm},
    )
    return answer
