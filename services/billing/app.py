"""Composition root of billing."""

from billing.api import BODY_BOUNDS, ROUTERS
from billing.events import subscriptions
from billing.operations.accounts import Closing
from billing.operations.allowances import announcer
from billing.operations.collecting import Agent
from billing.operations.errands import Errands, pruner
from billing.operations.invoices import closer
from billing.payments.nobody import Nobody
from billing.payments.provider import Provider
from billing.payments.sandbox import Sandbox
from billing.payments.stripe import Stripe
from billing.settings import BillingSettings
from billing.store.tables import LASTING, Base
from chassis.app import Service, serve
from chassis.database import Database
from chassis.settings import Settings

NAME = "billing"


def build(settings: Settings) -> Service:
    """Wire the service."""
    own = BillingSettings(**settings.model_dump())
    database = Database.of(own, NAME, Base.metadata)
    payments = _provider(own, database)
    collector = payments if isinstance(payments, Stripe) else None
    tasks = [
        announcer(database),
        closer(database, collects=collector is not None),
        pruner(database),
    ]
    agent = Agent(database, collector) if collector is not None else None
    if agent is not None:
        tasks.append(agent.run)
    secret = own.stripe_webhook_secret
    return Service(
        name=NAME,
        settings=own,
        database=database,
        routers=ROUTERS,
        body_bounds=BODY_BOUNDS,
        subscriptions=subscriptions(),
        state={
            "payments": payments,
            "agent": agent,
            "stripe_webhook_secret": secret.get_secret_value() if secret else None,
        },
        tasks=tasks,
        erases=[Closing(database, collector).close],
        outlive_tenants=LASTING,
    )


def _provider(settings: BillingSettings, database: Database) -> Provider:
    if settings.stripe_key is not None:
        return Stripe(settings.stripe_key.get_secret_value(), url=settings.stripe_url)
    return Nobody() if settings.profile == "production" else Sandbox(Errands(database).note)


if __name__ == "__main__":
    serve(build(BillingSettings()))
