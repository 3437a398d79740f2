"""Whose a configuration is: it is bound to who made it, not to a project."""

from typing import Any

from chassis.identity import Caller


def is_theirs(caller: Caller, recipe: Any) -> bool:
    """Tell whether a split or evaluation configuration is the caller's own, or nobody's."""
    return caller.sees_all or recipe.created_by in {None, caller.person_id}
