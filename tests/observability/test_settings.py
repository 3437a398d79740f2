"""The runbook lists every setting that there is, with the default that it has."""

import importlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from chassis.settings import Settings
from embedded.settings import Settings as LauncherSettings
from embedded.stack import SERVICES
from tests.observability.promql import RUNBOOK

_ROW = re.compile(r"^\| `(MILLRACE_[A-Z_]+)` \| (.+?) \| .+ \|$", re.MULTILINE)
_UNITS = ((1024**3, "GiB"), (1024**2, "MiB"))
LISTED = dict(_ROW.findall(RUNBOOK.read_text()))


def classes() -> Iterator[type[BaseSettings]]:
    """Return the settings of every service, and the launcher's."""
    for service in SERVICES:
        importlib.import_module(f"{service}.app")
    yield Settings
    yield from Settings.__subclasses__()
    yield LauncherSettings


def settings() -> dict[str, FieldInfo]:
    """Return every setting by the name of its variable."""
    found: dict[str, FieldInfo] = {}
    for cls in classes():
        for name, field in cls.model_fields.items():
            alias = field.validation_alias
            variable = alias if isinstance(alias, str) else f"MILLRACE_{name.upper()}"
            found.setdefault(variable, field)
    return found


def spelled(name: str, default: Any) -> str:
    """Return a default as the runbook writes it."""
    for size, unit in _UNITS:
        if name.endswith("_BYTES") and default % size == 0:
            return f"{default // size} {unit}"
    return str(default)


def test_every_setting_is_listed_and_nothing_else() -> None:
    assert set(LISTED) == set(settings())


@pytest.mark.parametrize(("name", "field"), settings().items(), ids=settings())
def test_a_default_is_the_one_that_is_listed(name: str, field: FieldInfo) -> None:
    if field.default in (None, ""):
        assert not LISTED[name].isdecimal()
    else:
        assert LISTED[name] == spelled(name, field.default)


def test_a_secret_is_never_shown_by_its_settings() -> None:
    for cls in classes():
        for name, field in cls.model_fields.items():
            if re.search(r"password|secret|stripe_key", name):
                assert SecretStr in (field.annotation, *getattr(field.annotation, "__args__", ()))


def test_a_wrong_setting_is_told_without_the_secrets_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MILLRACE_DATABASE_URL", "postgresql://millrace:hush-hush@db/catalog")
    monkeypatch.setenv("MILLRACE_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    with pytest.raises(ValueError, match="MILLRACE_KAFKA_PASSWORD") as told:
        Settings()
    assert "hush" not in str(told.value)
