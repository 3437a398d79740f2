"""The variables that a service reads, from its settings class itself."""

import importlib

from pydantic import AliasChoices

from chassis.settings import Settings


def variables_of(service: str) -> set[str]:
    """Return the name of every variable that a service's settings have."""
    names: set[str] = set()
    for name, field in _settings_of(service).model_fields.items():
        alias = field.validation_alias
        chosen = alias.choices if isinstance(alias, AliasChoices) else [f"MILLRACE_{name.upper()}"]
        names |= {str(each) for each in chosen}
    return names


def _settings_of(service: str) -> type[Settings]:
    """Return the class with all that a service's settings module adds to the chassis's."""
    try:
        module = importlib.import_module(f"{service}.settings")
    except ModuleNotFoundError:
        return Settings
    own = [kind for kind in vars(module).values() if isinstance(kind, type)]
    [found] = [kind for kind in own if issubclass(kind, Settings) and kind is not Settings]
    return found
