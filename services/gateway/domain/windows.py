"""What counts requests, wherever it counts them."""

from typing import Protocol

from gateway.domain.rates import Rate, Window


class Windows(Protocol):
    """Counts requests by who makes them."""

    async def hit(self, name: str, rate: Rate) -> Window:
        """Count a request and return where its maker stands."""
        ...

    async def start(self) -> None:
        """Open what is needed."""
        ...

    async def stop(self) -> None:
        """Close it."""
        ...
