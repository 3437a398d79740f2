"""Settings that name a place for each service."""

from pathlib import Path

from chassis.settings import Settings


def test_each_service_has_a_file_of_its_own_by_default(tmp_path: Path) -> None:
    url = Settings(home=tmp_path).database("billing")
    assert url == f"sqlite+aiosqlite:///{tmp_path}/billing/billing.db"


def test_one_setting_serves_all_services() -> None:
    settings = Settings(database_url="postgresql+asyncpg://db/millrace_{service}")
    assert settings.database("billing") == "postgresql+asyncpg://db/millrace_billing"
