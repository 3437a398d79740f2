"""What app.py composed, as the routes ask for it."""

from typing import Annotated

from fastapi import Depends, Request

from gateway.domain.identities import Identity
from gateway.domain.networks import network_of
from gateway.forwarding.documents import Documents
from gateway.forwarding.probes import Probes
from gateway.forwarding.remembered import Remembered
from gateway.operations.api_keys import ApiKeys
from gateway.operations.deletions import Deletions
from gateway.operations.people import People
from gateway.operations.registration import Registration
from gateway.operations.sessions import Sessions
from gateway.operations.token_keys import KeyRing
from gateway.settings import GatewaySettings


async def _sessions(request: Request) -> Sessions:
    found: Sessions = request.app.state.sessions
    return found


async def _registration(request: Request) -> Registration:
    found: Registration = request.app.state.registration
    return found


async def _people(request: Request) -> People:
    found: People = request.app.state.people
    return found


async def _keys(request: Request) -> ApiKeys:
    found: ApiKeys = request.app.state.api_keys
    return found


async def _ring(request: Request) -> KeyRing:
    found: KeyRing = request.app.state.ring
    return found


async def _remembered(request: Request) -> Remembered:
    found: Remembered = request.app.state.remembered
    return found


async def _probes(request: Request) -> Probes:
    found: Probes = request.app.state.probes
    return found


async def _documents(request: Request) -> Documents:
    found: Documents = request.app.state.documents
    return found


async def _deletions(request: Request) -> Deletions:
    found: Deletions = request.app.state.deletions
    return found


async def _network(request: Request) -> str:
    return network_of(request.client.host if request.client else None)


async def _settings(request: Request) -> GatewaySettings:
    found: GatewaySettings = request.app.state.settings
    return found


async def _session_uid(request: Request) -> str | None:
    identity: Identity | None = request.scope.get("millrace_identity")
    return identity.session_uid if identity else None


SessionsPart = Annotated[Sessions, Depends(_sessions)]
RegistrationPart = Annotated[Registration, Depends(_registration)]
PeoplePart = Annotated[People, Depends(_people)]
ApiKeysPart = Annotated[ApiKeys, Depends(_keys)]
RingPart = Annotated[KeyRing, Depends(_ring)]
RememberedPart = Annotated[Remembered, Depends(_remembered)]
ProbesPart = Annotated[Probes, Depends(_probes)]
DocumentsPart = Annotated[Documents, Depends(_documents)]
SettingsPart = Annotated[GatewaySettings, Depends(_settings)]
#: The session of the token that the request came with; None where it came otherwise.
SessionUid = Annotated[str | None, Depends(_session_uid)]
DeletionsPart = Annotated[Deletions, Depends(_deletions)]
NetworkPart = Annotated[str, Depends(_network)]
