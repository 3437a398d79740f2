"""Each part lists what it imports, so that each image holds what its service needs and no more."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = {
    tomllib.loads(file.read_text())["project"]["name"]: file
    for file in [*ROOT.glob("*/pyproject.toml"), *ROOT.glob("*/*/pyproject.toml")]
}
DISTRIBUTIONS = packages_distributions()
#: What only some may import, because it is large.
RESERVED = {"torch": {"millrace-training"}, "lightgbm": {"millrace-training", "millrace-inference"}}


def listed(project: str) -> set[str]:
    """Return the distributions that a part lists, those of the parts it builds on included."""
    content = tomllib.loads(PROJECTS[project].read_text())["project"]
    extras = content.get("optional-dependencies", {}).values()
    lines = [*content["dependencies"], *(line for extra in extras for line in extra)]
    names = {normal(re.split(r"[^\w.-]", line)[0]) for line in lines}
    return names.union(*(listed(name) for name in names & PROJECTS.keys()))


def imported(project: str) -> Iterator[tuple[str, str]]:
    """Yield the top modules that a part imports, each with the file that does."""
    folder = PROJECTS[project].parent
    for file in folder.rglob("*.py"):
        if "tests" in file.relative_to(folder).parts or file.parent.name == "testing":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from ((alias.name.split(".")[0], str(file)) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.split(".")[0], str(file)


def normal(name: str) -> str:
    return name.lower().replace("_", "-")


def third_party(project: str) -> Iterator[tuple[set[str], str]]:
    """Yield the distributions that could give each imported module, and the importing file."""
    own = {file.parent.name for file in PROJECTS.values()}
    for module, file in imported(project):
        if module not in own and module not in sys.stdlib_module_names:
            yield {normal(name) for name in DISTRIBUTIONS.get(module, [module])}, file


@pytest.mark.parametrize("project", sorted(PROJECTS))
def test_a_part_lists_what_it_imports(project: str) -> None:
    known = listed(project)
    missing = {(min(names), file) for names, file in third_party(project) if not names & known}
    assert missing == set()


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_large_libraries_stay_where_they_are_needed(name: str) -> None:
    assert {project for project in PROJECTS if name in listed(project)} <= RESERVED[name]
