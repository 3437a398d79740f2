"""API keys of projects: made, changed, revoked. The key itself is told once."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chassis.database import Database, Transaction
from chassis.identity import Caller
from chassis.problems import Invalid, NotFound, unknown_reference
from chassis.wire import Page
from contracts.tenants import ApiKeyRevoked
from gateway.domain import keys
from gateway.domain.keys import ApiKey
from gateway.operations.tokens import not_valid
from gateway.store import api_keys, people, projects, sessions

_PATIENCE = 2.0  # seconds
_SAME_NAME = "The fields project, name must make a unique set."


class ApiKeys:
    """What a tenant's people can do with the keys of their projects."""

    noun = "ApiKey"

    def __init__(self, database: Database, *, patience: float = _PATIENCE) -> None:
        """Work on the gateway's database."""
        self._database = database
        #: How long a project that was just made may need to become known here, in seconds.
        self.patience = patience
        #: Told of the prefix of each key that changed, so that what remembers the key forgets it
        #: at once.
        self.on_change: Callable[[str], None] = _nobody

    async def find(
        self, tx: Transaction, *, page: Page, where: Mapping[str, Any]
    ) -> tuple[Sequence[ApiKey], int]:
        """Return one page of the caller's keys, an administrator's of all people, and the number
        of all.
        """
        mine = {} if tx.caller.is_admin else {"owner_id": tx.caller.person_id}
        return await api_keys.find(tx, offset=page.offset, limit=page.size, where={**where, **mine})

    async def get(self, tx: Transaction, row_id: int) -> ApiKey | None:
        """Return a key of the caller's, or of anybody's for an administrator."""
        key = await api_keys.get(tx, row_id)
        is_theirs = key is not None and (tx.caller.is_admin or key.owner_id == tx.caller.person_id)
        return key if is_theirs else None

    async def create(
        self, caller: Caller, values: Mapping[str, Any], *, session: str | None = None
    ) -> tuple[ApiKey, str]:
        """Make a key and return it with the one sight of its secret; `session` is the one that
        asks.
        """
        await self._await_project(caller, values["project"])
        secret = keys.new_key()
        async with self._database.transaction(caller) as tx:
            await _refuse_ended(tx, session)
            await _hold_project(tx, values["project"])
            await _refuse_same_name(tx, values["project"], values["name"])
            key = await api_keys.add(
                tx,
                **values,
                key_prefix=keys.prefix_of(secret),
                hashed_key=keys.digest_of(secret),
                owner_id=caller.person_id,
            )
        return key, secret

    async def change(self, caller: Caller, key_id: int, values: Mapping[str, Any]) -> ApiKey:
        """Change a key's name, project, scopes or expiry."""
        if "project" in values:
            await self._await_project(caller, values["project"])
        async with self._database.transaction(caller) as tx:
            before = await self._existing(tx, key_id)
            if "project" in values:
                await _hold_project(tx, values["project"])
            project, name = values.get("project", before.project), values.get("name", before.name)
            await _refuse_same_name(tx, project, name, but=key_id)
            after = await api_keys.change(tx, key_id, values)
            if after is None:  # deleted meanwhile
                raise NotFound.of(self.noun)
        self.on_change(before.key_prefix)
        return after

    async def revoke(self, tx: Transaction, key_id: int) -> None:
        """Make a key worthless, now and for ever; it stays listed."""
        key = await self._existing(tx, key_id)
        await api_keys.change(tx, key_id, {"is_active": False})
        self._announce(tx, key)

    async def remove(self, tx: Transaction, row_id: int) -> bool:
        """Revoke a key and delete it."""
        key = await self.get(tx, row_id)
        if key is None:
            return False
        await api_keys.remove(tx, row_id)
        self._announce(tx, key)
        return True

    async def _existing(self, tx: Transaction, key_id: int) -> ApiKey:
        key = await self.get(tx, key_id)
        if key is None:
            raise NotFound.of(self.noun)
        return key

    def _announce(self, tx: Transaction, key: ApiKey) -> None:
        announce_revoked(tx, key.tenant_id, [key.key_prefix])
        tx.after_commit(lambda: self.on_change(key.key_prefix))

    async def _await_project(self, caller: Caller, project_id: int) -> None:
        """Wait briefly for a project that catalog may just have announced.

        Raises:
            Invalid: the tenant has no such project.
        """
        deadline = time.monotonic() + self.patience
        while True:
            async with self._database.transaction(caller, write=False) as tx:
                if await projects.is_seen(tx, project_id):
                    return
            if time.monotonic() > deadline:
                raise unknown_reference("project", project_id)
            await asyncio.sleep(0.05)


def announce_revoked(tx: Transaction, tenant_id: str, prefixes: Sequence[str]) -> None:
    """Tell that keys no longer work."""
    for prefix in prefixes:
        tx.emit(ApiKeyRevoked(tenant_id=tenant_id, occurred_at=tx.clock(), key_prefix=prefix))


async def _refuse_ended(tx: Transaction, session: str | None) -> None:
    """Refuse whose session ended while they waited: with their password, a key may have gone that
    was made too late to be among those.
    """
    person = await people.held(tx, tx.caller.person_id or 0)
    if person is None or not person[0].is_active or not await sessions.live(tx, session):
        raise not_valid()


async def _hold_project(tx: Transaction, project_id: int) -> None:
    """Refuse a project that was deleted while its key was being made."""
    if not await projects.is_seen(tx, project_id, hold=True):
        raise unknown_reference("project", project_id)


async def _refuse_same_name(
    tx: Transaction, project: int, name: str, *, but: int | None = None
) -> None:
    if await api_keys.name_taken(tx, project=project, name=name, but=but):
        raise Invalid(fields={"non_field_errors": [_SAME_NAME]})


def _nobody(_prefix: str) -> None:
    return None
