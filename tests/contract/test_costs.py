"""Whatever bills has its cost at the gate: the ledger, the gateway and the services agree."""

import ast
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from catalog.domain import interactions as catalog_units
from catalog.operations import interactions as catalog
from contracts.http import OPERATIONS, Cost, Operation, Status
from experiments.domain import conversions as experiment_units
from experiments.operations import doors
from gateway.routes import ROUTES
from inference.operations import recommendations, servings
from tests.contract.snapshots import SERVICES, build
from tests.contract.test_ledger import filled, named

SERVED = [each for each in OPERATIONS if each.status is Status.SERVED and each.method != "WS"]
#: What makes a fact that is billed, and the hundredths of a unit of one such fact.
MAKERS: Mapping[Any, int] = {
    catalog.Recorder: catalog_units.CENTIUNITS["http"],
    catalog.record_all: catalog_units.CENTIUNITS["batch"],
    doors.SingleDoor: experiment_units.CENTIUNITS["http"],
    doors.record_batch: experiment_units.CENTIUNITS["batch"],
    servings.Answered: servings.UNITS,
    recommendations.request: servings.BATCH_UNITS,
}
#: Where such facts are put together: who adds a place adds its maker above.
PLACES = {
    "catalog/domain/interactions.py",
    "catalog/store/announcements.py",
    "experiments/operations/conversions.py",
    "inference/operations/generating.py",
    "inference/operations/servings.py",
}
ROOT = Path(__file__).parents[2] / "services"


def gate(operation: Operation) -> Cost | None:
    match = ROUTES.find(filled(operation.path))
    assert match is not None
    return match.route.cost_of(operation.method)


@pytest.mark.parametrize("operation", SERVED, ids=named)
def test_the_gate_takes_what_the_ledger_says(operation: Operation) -> None:
    assert gate(operation) == operation.cost


@pytest.fixture(scope="module")
def endpoints(
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[tuple[str, str], APIRoute]:
    """Return every route of every service by its method and its path, names left out."""
    found: dict[tuple[str, str], APIRoute] = {}
    for name in SERVICES:
        for router in build(name, tmp_path_factory.mktemp(name)).routers:
            for route in router.routes:
                if isinstance(route, APIRoute):
                    found |= {(method, filled(route.path)): route for method in route.methods or ()}
    return found


def test_who_makes_what_is_billed_is_in_the_ledger_with_its_cost(
    endpoints: Mapping[tuple[str, str], APIRoute],
) -> None:
    makes = {place: units for place, route in endpoints.items() if (units := made_by(route))}
    billed = {
        (each.method, filled(each.path)): {each.cost.centiunits} for each in SERVED if each.cost
    }
    assert makes == billed


def test_no_other_place_makes_what_is_billed() -> None:
    found = {
        str(file.relative_to(ROOT))
        for file in sorted(ROOT.glob("*/**/*.py"))
        if "tests" not in file.parts and "migrations" not in file.parts and _bills(file)
    }
    assert found - {each for each in found if each.startswith(("billing/", "gateway/"))} == PLACES


def _bills(file: Path) -> bool:
    """Tell whether a module gives some event its `centiunits`."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.keyword) and node.arg == "centiunits":
            return True
        if isinstance(node, ast.Dict):
            keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
            if "centiunits" in keys:
                return True
    return False


def made_by(route: APIRoute) -> set[int]:
    """Return the units of every maker that a route comes upon."""
    return {
        MAKERS[thing]
        for function in _functions(route.dependant)
        for thing in _reached(function)
        if thing in MAKERS
    }


def _functions(needs: Dependant) -> Iterator[Callable[..., Any]]:
    if needs.call is not None:
        yield needs.call
    for each in needs.dependencies:
        yield from _functions(each)


def _reached(function: Callable[..., Any]) -> list[Any]:
    """Return whatever a function names, and what the functions of its own module name that it
    calls: an endpoint and its helpers.
    """
    found: list[Any] = []
    waiting, seen = [inspect.unwrap(function)], set()
    while waiting:
        each = waiting.pop()
        if not isinstance(each, types.FunctionType) or each in seen:
            continue
        seen.add(each)
        names = {name: each.__globals__.get(name) for name in each.__code__.co_names}
        modules = [thing for thing in names.values() if isinstance(thing, types.ModuleType)]
        found += [thing for thing in names.values() if _is_hashable(thing)]
        found += [
            getattr(module, name)
            for module in modules
            for name in each.__code__.co_names
            if _is_hashable(getattr(module, name, None))
        ]
        found += [hint for hint in _hints(each) if _is_hashable(hint)]
        waiting += [
            thing
            for thing in names.values()
            if isinstance(thing, types.FunctionType)
            and thing.__module__.partition(".")[0] in SERVICES
        ]
    return found


def _hints(function: types.FunctionType) -> list[Any]:
    """Return the types of a function's arguments and of its annotated local variables."""
    local = ast.parse(inspect.cleandoc("\n" + inspect.getsource(function)))
    named = {
        node.annotation.id
        for node in ast.walk(local)
        if isinstance(node, ast.AnnAssign) and isinstance(node.annotation, ast.Name)
    }
    return [*get_type_hints(function).values(), *(function.__globals__.get(n) for n in named)]


def _is_hashable(thing: Any) -> bool:
    return isinstance(thing, type | types.FunctionType)
