"""What billing counts beside what every service counts."""

from prometheus_client import Gauge

PURCHASES = Gauge(
    "millrace_purchases_to_see_to",
    "Purchases that an operator has to see to: unclaimed (of an unknown tenant or plan), doubled "
    "(tenants with more than one that is charged).",
    ["reason"],
)
CHARGE_AGE = Gauge(
    "millrace_oldest_charge_seconds",
    "Age of the oldest charge that the payment provider has not taken.",
)


def tell(*, unclaimed: int, doubled: int, charge_age: float) -> None:
    """Tell what waits for somebody."""
    PURCHASES.labels("unclaimed").set(unclaimed)
    PURCHASES.labels("doubled").set(doubled)
    CHARGE_AGE.set(charge_age)
