"""The settings that are billing's own."""

from typing import Self

from pydantic import SecretStr, model_validator

from chassis.settings import Settings


class BillingSettings(Settings):
    """Who takes the money. Without a key the built-in test provider does, except in production."""

    stripe_key: SecretStr | None = None
    stripe_webhook_secret: SecretStr | None = None
    #: Another address than Stripe's own, such as a mock server's.
    stripe_url: str | None = None
    #: Whether the test provider may grant plans although the database is a server's.
    test_billing: bool = False

    @model_validator(mode="after")
    def _sells_nothing_for_nothing(self) -> Self:
        on_server = not (self.database_url or "sqlite").startswith("sqlite")
        is_test = self.profile == "embedded" and self.stripe_key is None
        if on_server and is_test and not self.test_billing:
            raise ValueError(
                "the built-in test provider would grant plans on this database server for nothing: "
                "set MILLRACE_PROFILE=production, MILLRACE_STRIPE_KEY, or, for a test, "
                "MILLRACE_TEST_BILLING=1"
            )
        return self
