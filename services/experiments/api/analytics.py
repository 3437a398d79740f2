"""`/api/analytics`: totals and days of a tenant, for its administrators (RecommendAI)."""

from collections.abc import Sequence
from datetime import date as calendar_date

from fastapi import Depends
from pydantic import Field

from chassis import wire
from chassis.dependencies import Tx
from chassis.identity import needs_admin
from chassis.wire import CamelWire
from experiments.domain.analytics import Day, Snapshot
from experiments.operations import analytics

PATH = "/api/analytics"
router = wire.router(tags=["analytics"], dependencies=[Depends(needs_admin)])


class StatsOut(CamelWire):
    total_users: int = Field(validation_alias="users")
    total_items: int = Field(validation_alias="items")
    total_recommendations: int = Field(validation_alias="recommendations")
    total_interactions: int = Field(validation_alias="interactions")
    active_models: int = Field(validation_alias="active_models")
    daily_active_users: int = Field(validation_alias="daily_active_users")
    avg_accuracy: float = Field(validation_alias="accuracy")


class DayOut(CamelWire):
    date: calendar_date = Field(validation_alias="day")
    total_recommendations: int = Field(validation_alias="recommendations")
    active_users: int = Field(validation_alias="active_users")
    accuracy: float


@router.get(f"{PATH}/stats", response_model=StatsOut)
async def stats(tx: Tx) -> Snapshot:
    return await analytics.snapshot(tx)


@router.get(f"{PATH}/data", response_model=list[DayOut])
async def data(tx: Tx, period: str = "7d") -> Sequence[Day]:
    return await analytics.series(tx, period)
