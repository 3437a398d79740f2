"""Nobody sells plans for nothing by an oversight."""

from typing import Any

import pytest
from pydantic import ValidationError

from billing.settings import BillingSettings

SERVER = "postgresql+asyncpg://billing@db/billing"


def test_a_database_server_with_the_test_provider_is_refused() -> None:
    with pytest.raises(ValidationError, match="MILLRACE_TEST_BILLING=1"):
        BillingSettings(database_url=SERVER)


@pytest.mark.parametrize(
    "told",
    [
        {"profile": "production"},
        {"stripe_key": "sk_test_x"},
        {"test_billing": True},
        {"database_url": None},
        {"database_url": "sqlite+aiosqlite:///billing.db"},
    ],
)
def test_who_says_what_is_meant_is_let_in(told: dict[str, Any]) -> None:
    assert BillingSettings(**{"database_url": SERVER, **told})
