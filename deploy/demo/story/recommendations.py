"""Recommendations with reasons, and how one purchase changes the next answer."""

import secrets
import time
from typing import Any

from demo.client import eventually
from demo.stage import Stage

_SHOWN = 3


async def show(stage: Stage) -> None:
    """Show a few users what they would be shown, and why."""
    for user in stage.dataset.users[5:20:7]:
        stage.say(f"[bold]{user}[/bold]")
        for each in (await recommend(stage, user))[:_SHOWN]:
            title = stage.dataset.title(each["itemId"])
            stage.say(f"    {each['score']:.3f}  {title}  [dim]— {each['explanation']}[/dim]")
    newcomer = await recommend(stage, "somebody-new")
    stage.say("[bold]somebody new[/bold]")
    for each in newcomer[:1]:
        stage.say(f"    {stage.dataset.title(each['itemId'])}  [dim]— {each['explanation']}[/dim]")


async def buy(stage: Stage) -> None:
    """Record a purchase and time how long it takes until the next answer knows of it."""
    user = stage.dataset.users[10]
    before = await recommend(stage, user)
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
    stage.say(f"{user} bought {stage.dataset.title(bought)}")
    stage.say(f"the next answer knew of it {seconds * 1000:.0f} ms later, without retraining:")
    old = {each["itemId"] for each in before}
    for each in [each for each in after if each["itemId"] not in old][:_SHOWN] or after[:1]:
        title = stage.dataset.title(each["itemId"])
        stage.say(f"    now also {title}  [dim]— {each['explanation']}[/dim]")


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
