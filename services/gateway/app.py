"""The gateway, composed: settings → keys and tokens → operations → routes, and the front around
them all.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from starlette.types import ASGIApp

from chassis.app import Service, serve
from chassis.database import Database
from chassis.identity import AssertionSigner
from gateway import api, events
from gateway.domain.allowances import Allowances
from gateway.domain.origins import Origins
from gateway.domain.rates import parse
from gateway.domain.windows import Windows
from gateway.forwarding import metrics
from gateway.forwarding.documents import Documents
from gateway.forwarding.forwarder import Forwarder
from gateway.forwarding.front import Front
from gateway.forwarding.gate import Gate
from gateway.forwarding.intake import Intake
from gateway.forwarding.own import Own
from gateway.forwarding.places import Places
from gateway.forwarding.probes import Probes
from gateway.forwarding.proxies import Proxies
from gateway.forwarding.relay import Relay
from gateway.forwarding.remembered import Remembered
from gateway.forwarding.sockets import Sockets
from gateway.forwarding.upstream import Upstream
from gateway.forwarding.uses import Uses
from gateway.forwarding.windows import windows_at
from gateway.operations.api_keys import ApiKeys
from gateway.operations.attempts import Attempts
from gateway.operations.credentials import Credentials
from gateway.operations.deletions import Deletions
from gateway.operations.first_password import FirstPassword
from gateway.operations.passwords import Passwords
from gateway.operations.people import INVITED_FOR, People
from gateway.operations.registration import Registration, bootstrap
from gateway.operations.seal import Seal
from gateway.operations.sessions import Sessions
from gateway.operations.token_keys import KeyRing
from gateway.operations.tokens import Tokens
from gateway.operations.uses import writer
from gateway.routes import INFERENCE, ROUTES, SELF
from gateway.settings import GatewaySettings
from gateway.store.tables import LASTING, Base

SETTINGS = GatewaySettings
#: Seconds in which the gateway's own paths answer.
_PATIENCE = 10.0


def build(settings: GatewaySettings, *, passwords: Passwords | None = None) -> Service:
    """Return the composed service."""
    database = Database.of(settings, "gateway", Base.metadata)
    windows = windows_at(settings.rates_url)
    parts = _identity(settings, database, passwords or Passwords(), windows)
    uses = Uses(writer(database))
    signer = AssertionSigner.from_file(settings.key_file("assertion.pem"))
    remembered = Remembered(parts.credentials, signer, uses)
    parts.sessions.on_issue = remembered.acquaint
    parts.sessions.on_end = lambda uid: remembered.forget(session=uid)
    parts.keys.on_change = lambda prefix: remembered.forget(prefix=prefix)
    parts.people.on_change = lambda person_id: remembered.forget(person=person_id)
    allowances = Allowances()
    metrics.measure_spending(allowances.behind)
    upstreams = {
        # Models are swapped by each replica at its own moment, and no client may go back a version.
        name: Upstream(name, urls, sticky=name == INFERENCE)
        for name, urls in settings.upstreams().items()
    }
    gate = Gate(
        remembered=remembered, windows=windows, rates=settings.rates(), allowances=allowances
    )
    operator = _Operator(database, parts, settings)
    service = Service(
        name="gateway",
        settings=settings,
        database=database,
        routers=api.routers(parts.keys),
        subscriptions=events.subscriptions(
            allowances, parts.keys, lambda prefix: remembered.forget(prefix=prefix)
        ),
        state={
            "sessions": parts.sessions,
            "registration": parts.registration,
            "people": parts.people,
            "api_keys": parts.keys,
            "ring": parts.ring,
            "credentials": parts.credentials,
            "remembered": remembered,
            "uses": uses,
            "probes": Probes(upstreams),
            "documents": Documents(upstreams),
            "deletions": Deletions(
                database,
                passwords=parts.passwords,
                attempts=parts.attempts,
                note=lambda tx, tenant_id, at: service.erasure.note(tx, tenant_id, at=at),
            ),
        },
        parts=[parts.ring, operator, windows, *upstreams.values(), remembered],
        tasks=[parts.ring.run, uses.run, parts.sessions.run],
        front=_front(settings, remembered, gate, upstreams),
        forgets=[lambda tenant_id: remembered.forget(tenant=tenant_id), allowances.forget],
        outlive_tenants=LASTING,
    )
    return service


@dataclass(frozen=True, slots=True)
class _Identity:
    """Everything that knows people and keys."""

    passwords: Passwords
    attempts: Attempts
    first: FirstPassword
    ring: KeyRing
    sessions: Sessions
    registration: Registration
    people: People
    keys: ApiKeys
    credentials: Credentials


def _identity(
    settings: GatewaySettings, database: Database, passwords: Passwords, windows: Windows
) -> _Identity:
    ring = KeyRing(
        database,
        seal=Seal.from_file(settings.key_file("assertion.pem")),
        rotate_after=timedelta(days=settings.token_key_days),
        keep=timedelta(seconds=_longest_life(settings) + 3600),
    )
    tokens = Tokens(ring, issuer=settings.token_issuer, audience=settings.token_audience)
    attempts = Attempts(windows, parse(settings.rate_account))
    sessions = Sessions(
        database,
        passwords=passwords,
        tokens=tokens,
        access_lifetime=settings.access_token_lifetime,
        refresh_lifetime=settings.refresh_token_lifetime,
        attempts=attempts,
    )
    registration = Registration(
        database,
        passwords=passwords,
        tokens=tokens,
        is_open=settings.who_registers == "open",
        invites=settings.who_registers == "invited",
    )
    first = FirstPassword(settings.folder() / "admin-password", database, passwords)
    return _Identity(
        passwords=passwords,
        attempts=attempts,
        first=first,
        ring=ring,
        sessions=sessions,
        registration=registration,
        people=People(database, passwords=passwords, tokens=tokens, first=first),
        keys=ApiKeys(database),
        credentials=Credentials(database, tokens=tokens),
    )


def _longest_life(settings: GatewaySettings) -> int:
    """Return the longest life of any token, in seconds."""
    return max(settings.access_token_lifetime, settings.refresh_token_lifetime, INVITED_FOR)


def _front(
    settings: GatewaySettings,
    remembered: Remembered,
    gate: Gate,
    upstreams: Mapping[str, Upstream],
) -> Callable[[ASGIApp], Front]:
    intake = Intake(max_body_bytes=settings.max_body_bytes, patience=settings.client_timeout)
    relay = Relay(intake, timeout=settings.upstream_timeout)
    forwarder = Forwarder(relay, upstreams, gate=gate, remembered=remembered)
    origins = Origins.parse(settings.trusted_origins)
    places = Places(
        person=settings.sockets_person, tenant=settings.sockets_tenant, everybody=settings.sockets
    )
    sockets = Sockets(
        table=ROUTES,
        gate=gate,
        remembered=remembered,
        upstreams=upstreams,
        origins=origins,
        places=places,
        life=settings.socket_seconds,
    )
    proxies = Proxies(settings.trusted_proxies)

    def around(app: ASGIApp) -> Front:
        own = Own(
            app,
            name=SELF,
            intake=intake,
            remembered=remembered,
            origins=origins,
            patience=_PATIENCE,
        )
        return Front(
            own, forwarder, sockets, table=ROUTES, gate=gate, proxies=proxies, origins=origins
        )

    return around


@dataclass(frozen=True, slots=True)
class _Operator:
    """Sees to it, at the start, that the platform has an operator, and that no file holds an old
    password of theirs.
    """

    database: Database
    parts: _Identity
    settings: GatewaySettings

    async def start(self) -> None:
        """Make the operator where there is none."""
        given = self.settings.admin_password
        await bootstrap(
            self.database,
            self.parts.passwords,
            username=self.settings.admin_username,
            email=self.settings.admin_email,
            password=given.get_secret_value() if given else None,
            first=self.parts.first,
            tell=self._say,
        )
        await self.parts.first.tidy()  # not before: another gateway may be making the operator

    async def stop(self) -> None:
        """Nothing is held open."""

    def _say(self, line: str) -> None:
        """Write a line for the operator, but not into the log file of an embedded stack."""
        if self.settings.profile == "production" or sys.stdout.isatty():
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    serve(build(SETTINGS()))
