"""What another gateway revokes is forgotten here when it is heard of, not at the next check."""

from contracts.tenants import ApiKeyRevoked
from gateway.store import api_keys
from gateway.tests.stage import Stage


async def test_a_key_that_another_gateway_revoked_is_refused_at_once(stage: Stage) -> None:
    admin = await stage.admin()
    made = await stage.key(admin, "read")
    back_end = stage.client(X_API_Key=made["key"])
    assert (await back_end.get("/api/v1/item_meta_data")).status_code == 200

    database = stage.service.database
    async with database.transaction(tenant_id=stage.caller().tenant_id) as tx:
        await api_keys.change(tx, made["id"], {"is_active": False})
        revoked = ApiKeyRevoked(
            tenant_id=tx.tenant_id, occurred_at=tx.clock(), key_prefix=made["key"][5:13]
        )
    await stage.deliver(revoked, to="revocations")

    assert (await back_end.get("/api/v1/item_meta_data")).status_code == 401
