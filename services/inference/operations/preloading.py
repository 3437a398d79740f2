"""Loads what is announced without waiting for a request: newest first, patiently."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from chassis import telemetry
from chassis.problems import Unavailable
from inference.domain.models import Model, ModelMissing, ModelRefused
from inference.operations.serving import Shelf

_LONGEST_PAUSE = 30.0
#: How often an artefact that is not there is looked for again before it is left to requests.
_LOOKS = 8


@dataclass(slots=True)
class _Wanted:
    model: Model
    due: float
    #: Continues the trace in which the model was announced.
    trace: Mapping[str, str]
    failures: int = 0
    first_pass: bool = False


async def _surely(_model: Model) -> bool:
    return True


class Preloading:
    """The models that still have to be brought into memory."""

    def __init__(
        self,
        shelf: Shelf,
        *,
        is_told: Callable[[Model], Awaitable[bool]] = _surely,
        on_absence: Callable[[Model, str], Awaitable[None]] | None = None,
        first_pause: float = 0.5,
    ) -> None:
        """Fill this shelf, most wanted first; pauses grow from `first_pause`.

        A model of which nobody can say yet whether it can answer (`is_told`) is loaded once, even
        where memory has no room for it beside newer ones. `on_absence` hears of artefacts that are
        given up because they are not there.
        """
        self._shelf = shelf
        self._is_told = is_told
        self._on_absence = on_absence
        self._first_pause = first_pause
        self._wanted: dict[int, _Wanted] = {}
        self._news = asyncio.Event()
        self._started_at = time.time()

    def want(self, model: Model, *, announced_at: float) -> None:
        """Load a model as soon as its turn comes."""
        self._wanted[model.model_id] = _Wanted(
            model,
            due=time.monotonic(),
            trace=telemetry.inject(),
            first_pass=announced_at < self._started_at,
        )
        self._news.set()

    def forget(self, model_id: int) -> None:
        """Do not load a model any more."""
        self._wanted.pop(model_id, None)

    def forget_tenant(self, tenant_id: str) -> None:
        """Do not load a tenant's models any more."""
        for wanted in list(self._wanted.values()):
            if wanted.model.tenant_id == tenant_id:
                self.forget(wanted.model.model_id)

    @property
    def waiting(self) -> int:
        """Return how many models still wait for their turn."""
        return len(self._wanted)

    async def settled(self) -> bool:
        """Tell whether all that was announced before this process began has had its turn."""
        return not any(w.first_pass and not w.failures for w in self._wanted.values())

    async def run(self) -> None:
        """Load for ever."""
        while True:
            wanted = self._next()
            if wanted is None:
                await self._pause()
                continue
            await self._try(wanted)

    def _next(self) -> _Wanted | None:
        now = time.monotonic()
        due = [wanted for wanted in self._wanted.values() if wanted.due <= now]
        return max(due, key=lambda wanted: self._shelf.rank(wanted.model.model_id), default=None)

    async def _pause(self) -> None:
        dues = [wanted.due for wanted in self._wanted.values()]
        seconds = max(0.01, min(dues) - time.monotonic()) if dues else None
        self._news.clear()
        try:
            await asyncio.wait_for(self._news.wait(), seconds)
        except TimeoutError:
            return

    async def _try(self, wanted: _Wanted) -> None:
        model = wanted.model
        try:
            if await self._is_left_out(model):
                self.forget(model.model_id)
                return
            with telemetry.span_continuing(wanted.trace, "swap", model=model.model_id):
                await self._shelf.load(model)
        except ModelRefused:
            self.forget(model.model_id)
        except Exception as error:
            await self._postpone(wanted, error)
        else:
            self.forget(model.model_id)

    async def _is_left_out(self, model: Model) -> bool:
        """Tell whether a model is left to requests: a newer one is in its place, or in its way."""
        if self._shelf.is_superseded(model):
            return True
        return not self._shelf.fits(model) and await self._is_told(model)

    async def _postpone(self, wanted: _Wanted, error: Exception) -> None:
        known = isinstance(error, Unavailable | ModelMissing)
        telemetry.log.warning(
            "model %s is not loaded yet: %s",
            wanted.model.model_id,
            error,
            exc_info=None if known else error,
        )
        wanted.failures += 1
        if not isinstance(error, Unavailable) and wanted.failures >= _LOOKS:
            self.forget(wanted.model.model_id)
            if self._on_absence is not None:
                await self._on_absence(wanted.model, f"it could not be loaded: {error}")
            return
        wanted.due = time.monotonic() + min(
            _LONGEST_PAUSE, self._first_pause * 2.0**wanted.failures
        )
