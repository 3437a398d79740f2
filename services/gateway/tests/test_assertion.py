"""The command that prints an assertion."""

import pytest

from chassis.problems import Unauthenticated
from gateway.assertion import assertion
from gateway.settings import GatewaySettings
from gateway.tests.stage import Stage


async def test_a_key_gets_an_assertion_that_services_accept(stage: Stage) -> None:
    admin = await stage.admin()
    made = await stage.key(admin, "read", project=3)
    settings = stage.service.settings
    assert isinstance(settings, GatewaySettings)
    caller = stage.verifier("catalog").verify(await assertion(settings, made["key"]))
    assert (caller.kind, caller.project, caller.scopes) == ("key", 3, frozenset({"read"}))
    await admin.post(f"/api/v1/api_keys/{made['id']}/revoke/")
    with pytest.raises(Unauthenticated):
        await assertion(settings, made["key"])
