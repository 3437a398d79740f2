"""`/api/v1/ab_test`: comparing two slots, from draft to promoted winner (Recotem)."""

import math
from datetime import datetime
from typing import Annotated, Any

from fastapi import Body
from pydantic import AfterValidator, Field

from chassis import crud, wire
from chassis.dependencies import Store, Tx
from chassis.identity import CurrentCaller
from chassis.wire import Key, Name, Real, Whole, Wire
from experiments.domain.ab_tests import AbTest, Metric, Status
from experiments.measures.verdict import Judged, Verdict
from experiments.operations import ab_tests
from experiments.operations.ab_tests import AbTests

PATH = "/api/v1/ab_test"
router = wire.router(tags=["ab_test"])
tests = AbTests()


def _known_metric(text: str) -> Metric:
    try:
        return Metric(text)
    except ValueError:
        options = ", ".join(Metric)
        raise ValueError(f"Invalid metric '{text}'. Valid options: {options}") from None


class AbTestIn(Wire):
    project_id: Key = Field(alias="project")
    name: Name
    control_slot_id: Key = Field(alias="control_slot")
    variant_slot_id: Key = Field(alias="variant_slot")
    target_metric_name: Annotated[str, AfterValidator(_known_metric)] = Metric.CTR
    min_sample_size: Annotated[Whole, Field(ge=1)] = 1000
    confidence_level: Annotated[Real, Field(ge=0.5, le=0.99)] = 0.95


class AbTestOut(Wire):
    id: int
    project: int = Field(validation_alias="project_id")
    name: str
    status: Status
    control_slot: int = Field(validation_alias="control_slot_id")
    variant_slot: int = Field(validation_alias="variant_slot_id")
    target_metric_name: Metric
    min_sample_size: int
    confidence_level: float
    started_at: datetime | None
    ended_at: datetime | None
    winner_slot: int | None = Field(validation_alias="winner_slot_id")
    ins_datetime: datetime
    updated_at: datetime


class ResultsOut(Wire):
    control_impressions: int
    control_conversions: int
    control_rate: float
    variant_impressions: int
    variant_conversions: int
    variant_rate: float
    z_score: float
    p_value: float
    significant: bool
    lift: float
    confidence_interval: tuple[float, float]
    min_sample_size: int
    sufficient_data: bool
    # What a reader may believe who looks more than once: judged by user, conversions joined to
    # impressions.
    control_users: int = Field(description="Users who were shown something by control.")
    control_joined_impressions: int = Field(description="What they were shown.")
    control_joined_conversions: int = Field(
        description="Impressions that were converted by the user they were shown to."
    )
    control_joined_rate: float
    control_joined_rate_error: float | None = Field(
        description="Standard error of the rate, by user; null with fewer than two users."
    )
    variant_users: int
    variant_joined_impressions: int
    variant_joined_conversions: int
    variant_joined_rate: float
    variant_joined_rate_error: float | None
    always_valid_p_value: float
    always_valid_interval: tuple[float, float] = Field(
        description="Of the difference of the joined rates, variant minus control."
    )
    always_valid_significant: bool
    expected_control_share: float | None
    sample_ratio_p_value: float | None = Field(
        description="Always-valid test of the users of both arms against the expected share."
    )
    sample_ratio_mismatch: bool
    required_sample_size_per_arm: int | None = Field(description="In users.")
    sample_size_still_needed: int | None = Field(description="In users of both arms.")

    @classmethod
    def of(cls, test: AbTest, found: Verdict) -> "ResultsOut":
        return cls.model_validate(
            {
                **_as_recotem(found),
                **_by_user("control", found.control),
                **_by_user("variant", found.variant),
                **_believable(test, found),
            }
        )


class PromotedOut(Wire):
    status: str = "promoted"
    winner_slot_id: int
    applies_after_ab_test: int | None = Field(
        default=None,
        description="Another running A/B test after whose end the new weight acts, if any.",
    )


crud.resource(
    router,
    PATH,
    body=AbTestIn,
    wire=AbTestOut,
    operations=tests,
    filters={"project": int, "status": str},
)


@router.post(f"{PATH}/{{id}}/start", response_model=AbTestOut, dependencies=[crud.WRITE])
async def start(id: str, tx: Tx) -> AbTest:
    return await ab_tests.start(tx, crud.row_id(id, tests.noun))


@router.post(f"{PATH}/{{id}}/stop", response_model=AbTestOut, dependencies=[crud.WRITE])
async def stop(id: str, tx: Tx) -> AbTest:
    return await ab_tests.stop(tx, crud.row_id(id, tests.noun))


@router.get(f"{PATH}/{{id}}/results", dependencies=[crud.READ])
async def results(id: str, store: Store, caller: CurrentCaller) -> ResultsOut:
    return ResultsOut.of(*await ab_tests.judge(store, caller, crud.row_id(id, tests.noun)))


_CHOICE = {
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {"type": "object", "properties": {"slot_id": {"type": "integer"}}}
            }
        }
    }
}


@router.post(
    f"{PATH}/{{id}}/promote_winner",
    dependencies=[crud.WRITE],
    openapi_extra=_CHOICE,
    response_model_exclude_none=True,
)
async def promote_winner(id: str, tx: Tx, body: Annotated[Any, Body()] = None) -> PromotedOut:
    chosen = body.get("slot_id") if isinstance(body, dict) else None
    winner = await ab_tests.promote_winner(tx, crud.row_id(id, tests.noun), chosen)
    return PromotedOut(winner_slot_id=winner.id, applies_after_ab_test=winner.applies_after_ab_test)


def _as_recotem(found: Verdict) -> dict[str, Any]:
    control, variant, plain = found.control.arm, found.variant.arm, found.comparison
    return {
        "control_impressions": control.impressions,
        "control_conversions": control.conversions,
        "control_rate": round(plain.control_rate, 6),
        "variant_impressions": variant.impressions,
        "variant_conversions": variant.conversions,
        "variant_rate": round(plain.variant_rate, 6),
        "z_score": round(plain.z_score, 4),
        "p_value": round(plain.p_value, 6),
        "significant": plain.significant,
        "lift": round(plain.lift, 2),
        "confidence_interval": _rounded(plain.interval),
        "min_sample_size": found.min_sample_size,
        "sufficient_data": found.sufficient_data,
    }


def _by_user(arm: str, judged: Judged) -> dict[str, Any]:
    sample, variance = judged.counts.sample, judged.by_user.variance
    return {
        f"{arm}_users": sample.users,
        f"{arm}_joined_impressions": sample.impressions,
        f"{arm}_joined_conversions": sample.conversions,
        f"{arm}_joined_rate": round(judged.by_user.rate, 6),
        f"{arm}_joined_rate_error": None if variance is None else round(math.sqrt(variance), 6),
    }


def _believable(test: AbTest, found: Verdict) -> dict[str, Any]:
    sequential, ratio = found.always_valid, found.sample_ratio
    return {
        "always_valid_p_value": round(sequential.p_value, 6),
        "always_valid_interval": _rounded(sequential.interval),
        "always_valid_significant": sequential.significant,
        "expected_control_share": test.control_share,
        "sample_ratio_p_value": None if ratio.p_value is None else round(ratio.p_value, 6),
        "sample_ratio_mismatch": ratio.mismatch,
        "required_sample_size_per_arm": found.sample_size.per_arm,
        "sample_size_still_needed": found.sample_size.missing,
    }


def _rounded(interval: tuple[float, float]) -> tuple[float, float]:
    low, high = interval
    return round(low, 6), round(high, 6)
