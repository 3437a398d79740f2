"""One way to build and run a service: settings, database, routers, subscriptions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

from chassis import handlers, inbox, metrics, outbox, telemetry, vitals
from chassis.broker import Consumers
from chassis.clock import Clock
from chassis.collecting import collecting
from chassis.completeness import Completeness
from chassis.database import Database
from chassis.direct import Direct
from chassis.draining import DrainingServer
from chassis.edge import Edge
from chassis.identity import AssertionVerifier, Verifier
from chassis.kafka import OutboxProducer
from chassis.methods import Methods, SafeMethods
from chassis.reception import Reception
from chassis.relay import Relay
from chassis.remembering import inbox_memory
from chassis.second_try import SecondTry
from chassis.settings import Settings
from chassis.subscriptions import Subscription
from chassis.tenant_erasure import EraseElsewhere, Forget, TenantErasure

#: Seconds that requests in flight get on SIGTERM before their connections are closed.
_GRACE = 8
_PRUNE_EVERY = 3600
#: Seconds that consumers and the producer get to take their leave of Kafka.
_KAFKA_GRACE = 3


class Part(Protocol):
    """Something that opens with the service and closes with it: a store, a cache, a pool."""

    async def start(self) -> None:
        """Open."""
        ...

    async def stop(self) -> None:
        """Close."""
        ...


@dataclass
class Service:
    """One service, composed: what its `app.py` builds and `create_app` makes run."""

    name: str
    settings: Settings
    database: Database
    routers: Sequence[APIRouter]
    subscriptions: Sequence[Subscription] = ()
    #: Attributes of `app.state` that the api modules' dependencies read.
    state: Mapping[str, Any] = field(default_factory=dict)
    parts: Sequence[Part] = ()
    #: Loops that run as long as the service; one that fails is logged and started again.
    tasks: Sequence[Callable[[], Awaitable[None]]] = ()
    #: Tables of facts that are their own outbox.
    sources: Sequence[outbox.Source] = ()
    #: Further conditions of readiness by name.
    checks: Mapping[str, Callable[[], Awaitable[bool]]] = field(default_factory=dict)
    #: Whether requests are refused until all that replicas hold in memory has been read.
    answers_from_memory: bool = False
    #: Paths that take files, which may be longer than other bodies.
    uploads: Sequence[str] = ()
    #: Most bytes of bodies below paths where they are fewer than `max_body_bytes` says.
    body_bounds: Mapping[str, int] = field(default_factory=dict)
    #: Seconds between two looks at all objects; the more a service holds, the longer each takes.
    collect_every: float = 600.0
    verifier: Verifier | None = None
    #: Erases what the service holds of a deleted tenant outside its database: files, documents,
    #: topics. What is in the tables goes by itself.
    erases: Sequence[EraseElsewhere] = ()
    #: Drops what this process holds of a deleted tenant in memory.
    forgets: Sequence[Forget] = ()
    #: Tables with a tenant's column whose rows stay when a tenant is deleted.
    outlive_tenants: Collection[str] = ()
    #: Puts a layer of the service's own around the whole application, the outermost one.
    front: Callable[[ASGIApp], ASGIApp] | None = None

    erasure: TenantErasure = field(init=False)

    def __post_init__(self) -> None:
        """Listen to deletions of tenants, as every service does."""
        self.erasure = TenantErasure(
            self.name,
            self.database,
            elsewhere=self.erases,
            forgets=self.forgets,
            outliving=self.outlive_tenants,
        )
        own = self.erasure.subscription()
        # A service that was made from another one has it already.
        others = [each for each in self.subscriptions if each.name != own.name]
        self.subscriptions = [*others, own]

    @property
    def version(self) -> str:
        """Return the version of the installed service."""
        try:
            return version(f"millrace-{self.name}")
        except PackageNotFoundError:
            return "0.0.0"

    @property
    def clock(self) -> Clock:
        """Return the service's clock."""
        return self.database.clock


def create_app(service: Service, *, background: bool = True) -> FastAPI:
    """Return the service's application; without `background` nothing connects to Kafka (tests)."""
    metrics.BUILD.labels(service.version).set(1)
    app = FastAPI(
        title=f"Millrace {service.name}",
        version=service.version,
        lifespan=_lifespan(service, background=background),
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        # Ours are telemetry's and metrics'; it would look for others with each request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.database = service.database
    app.state.settings = service.settings
    app.state.leaving = False
    app.state.verifier = service.verifier or AssertionVerifier.from_file(
        service.settings.key_file("assertion.pub.pem"), service=service.name
    )
    for name, value in service.state.items():
        setattr(app.state, name, value)
    handlers.install(app)
    routers = [_operations(service), *service.routers]
    for router in routers:
        app.include_router(router)
    app.state.methods = Methods(routers)
    app.add_middleware(Direct, routers=service.routers)
    app.add_middleware(SecondTry)
    if service.answers_from_memory:
        app.add_middleware(Completeness)
    app.add_middleware(SafeMethods, methods=app.state.methods)
    app.add_middleware(
        Edge,
        max_body_bytes=service.settings.max_body_bytes,
        uploads=service.uploads,
        bounds=service.body_bounds,
    )
    return app


def serve(service: Service) -> None:
    """Run the service until SIGTERM or Ctrl-C, then drain, and answer what is in flight."""
    telemetry.start_logs(service.name, service.settings)
    with contextlib.suppress(KeyboardInterrupt):
        server_of(service, create_app(service)).run()


def server_of(service: Service, app: FastAPI) -> DrainingServer:
    """Return what serves the application on the service's port."""
    config = uvicorn.Config(
        service.front(app) if service.front else app,
        host=service.settings.host,
        port=service.settings.service_port,
        http=Reception,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_GRACE,
        timeout_keep_alive=75,
        server_header=False,
        proxy_headers=False,
    )

    def leave() -> None:
        app.state.leaving = True

    return DrainingServer(config, seconds=service.settings.drain_seconds, on_leave=leave)


def _lifespan(service: Service, *, background: bool) -> Callable[[FastAPI], Any]:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(service.database.close)
            await service.database.open()
            for part in service.parts:
                await part.start()
                stack.push_async_callback(part.stop)
            if background:
                await _start_background(service, app, stack)
            yield

    return lifespan


async def _start_background(
    service: Service, app: FastAPI, stack: contextlib.AsyncExitStack
) -> None:
    stack.callback(telemetry.start(service.name, service.settings).shutdown)
    producer = OutboxProducer(service.settings.kafka)
    stack.push_async_callback(_within_grace, producer.stop)
    relay = Relay(service.database, producer, sources=service.sources)
    consumers = Consumers(
        service.settings.kafka,
        service=service.name,
        database=service.database,
        subscriptions=service.subscriptions,
        producer=producer,
        replica=service.settings.replica,
    )
    app.state.consumers = consumers
    app.state.producer = producer
    loops = (
        relay.run,
        _housekeeping(service, relay),
        vitals.watching(_checks(service, consumers), home=service.settings.folder()),
        vitals.feel_the_loop,
        collecting(every=service.collect_every),
        service.erasure.run,
        *service.tasks,
    )
    stack.push_async_callback(_stop, [asyncio.create_task(_for_ever(loop)) for loop in loops])
    # Who revives consumers goes before they do; what they have at hand may still need the rest.
    stack.push_async_callback(_within_grace, consumers.stop)
    consuming = _consuming(service, consumers)
    stack.push_async_callback(_stop, [asyncio.create_task(_for_ever(consuming))])


def _consuming(service: Service, consumers: Consumers) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        # Not before: facts of deleted tenants are passed over.
        await service.erasure.load()
        await consumers.run()

    return run


async def _for_ever(loop: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await loop()
        except Exception:
            telemetry.log.exception("a background loop failed; it starts again")
        await asyncio.sleep(1)


async def _stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    left = set(tasks)
    while left:
        # Said again: a library can lose a cancellation that meets an error of its own.
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.5)


async def _within_grace(stop: Callable[[], Awaitable[None]]) -> None:
    """Stop something, but never wait for a Kafka that is away: nothing is lost by leaving."""
    try:
        await asyncio.wait_for(stop(), timeout=_KAFKA_GRACE)
    except Exception:
        telemetry.log.warning("left without a word to Kafka", exc_info=True)


def _housekeeping(service: Service, relay: Relay) -> Callable[[], Awaitable[None]]:
    keep = timedelta(hours=service.settings.retention_hours)

    async def run() -> None:
        waited = 0
        while True:
            rows, age = await relay.backlog()
            metrics.OUTBOX_ROWS.set(rows)
            metrics.OUTBOX_AGE.set(age)
            if waited % _PRUNE_EVERY == 0:
                await outbox.prune(service.database, keep=keep)
                await inbox.prune(service.database, keep=inbox_memory(keep))
            await asyncio.sleep(5)
            waited += 5

    return run


def _operations(service: Service) -> APIRouter:
    """Return the routes that operators and probes use; the gateway never forwards to them."""
    router = APIRouter(include_in_schema=False)

    @router.get("/livez")
    async def alive() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz")
    async def ready(request: Request) -> Response:
        consumers: Consumers | None = getattr(request.app.state, "consumers", None)
        found = await vitals.readiness(_checks(service, consumers))
        leaving: bool = request.app.state.leaving
        body = {
            "ready": all(found.values()) and not leaving,
            "leaving": leaving,
            "version": service.version,
            "lag": consumers.lag() if consumers is not None else None,
            "checks": found,
        }
        return JSONResponse(body, status_code=200 if body["ready"] else 503)

    @router.get("/metrics")
    async def exposition(request: Request) -> Response:
        metrics.measure_pool(service.database.engine.pool)
        accept = request.headers.get("accept", "")
        # Thousands of lines take milliseconds, for which no request should wait.
        body, content_type = await asyncio.to_thread(metrics.exposition, accept)
        return Response(body, headers={"content-type": content_type})

    return router


def _checks(service: Service, consumers: Consumers | None) -> dict[str, vitals.Check]:
    checks = {"database": service.database.ready, **service.checks}
    return checks if consumers is None else {**checks, "consumers": consumers.ready}
