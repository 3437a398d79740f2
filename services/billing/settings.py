"""The settings that are billing's own."""

from pydantic import SecretStr

from chassis.settings import Settings


class BillingSettings(Settings):
    """Who takes the money. Without a key the built-in test provider does, except in production."""

    stripe_key: SecretStr | None = None
    stripe_webhook_secret: SecretStr | None = None
    #: Another address than Stripe's own, such as a mock server's.
    stripe_url: str | None = None
