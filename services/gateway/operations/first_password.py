"""The password that the platform made up for its operator: kept in a file until it is changed."""

import asyncio
import os
from pathlib import Path

from chassis import telemetry
from chassis.database import Database, Transaction
from gateway.domain.people import Person
from gateway.operations.passwords import Passwords
from gateway.store import people


class FirstPassword:
    """A file that only the operator can read. It belongs to the newest operator."""

    def __init__(self, path: Path, database: Database, passwords: Passwords) -> None:
        """Keep it at `path`."""
        self.path = path
        self._database = database
        self._passwords = passwords

    def keep(self, password: str) -> None:
        """Write a password."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{password}\n")

    async def changed_by(self, tx: Transaction, person: Person) -> None:
        """Remove the file, at the commit, where it belongs to the person whose password is set."""
        if person.role != "superuser":
            return
        async with tx.scoped(None):
            owner = await people.newest_operator(tx)
        if owner is None or owner[0].id == person.id:
            tx.after_commit(self._remove)

    async def tidy(self) -> None:
        """Remove the file where its password opens nothing: another gateway was told the new one,
        or the operator is gone.
        """
        try:
            password = (await asyncio.to_thread(self.path.read_text, encoding="utf-8")).strip()
        except FileNotFoundError:
            return
        async with self._database.transaction(tenant_id=None, write=False) as tx:
            owner = await people.newest_operator(tx)
        if owner is None or not await self._passwords.confirms(password, owner[1]):
            self._remove()

    def _remove(self) -> None:
        try:
            self.path.unlink(missing_ok=True)
        except OSError:  # the password is changed in any case: the file opens nothing
            telemetry.log.warning("%s cannot be removed", self.path, exc_info=True)
