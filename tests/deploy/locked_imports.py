"""Imports all of a service as its image would: from its wheels, and from what its lock names.

`python -I locked_imports.py SERVICE FOLDER LOCK`, with the wheels unpacked in FOLDER. What a lock
names is in this environment too, so nothing is installed: what the lock does not name is hidden.
"""

import importlib
import pkgutil
import re
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType


class NotLocked(MetaPathFinder):
    """Finds nothing of a package that no lock names, however it came here."""

    def __init__(self, lock: Path, own: set[str]) -> None:
        """Hide all packages of this environment that `lock` lacks, but the image's `own`."""
        names = re.findall(r"^([\w.-]+)==", lock.read_text(), re.MULTILINE)
        locked = {_normal(name) for name in names}
        self._hidden = {
            module
            for module, owners in metadata.packages_distributions().items()
            if not locked & {_normal(owner) for owner in owners}
        } - own

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse what is hidden, and leave the rest to others."""
        if name.partition(".")[0] in self._hidden:
            raise ModuleNotFoundError(f"no package of the lock holds {name}", name=name)
        return None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _without_checkout(path: str) -> bool:
    return any(Path(path).is_relative_to(root) for root in (sys.prefix, sys.base_prefix))


def main(service: str, folder: Path, lock: Path) -> None:
    """Import every module of the service, but migrations, which only Alembic can load."""
    sys.path[:] = [str(folder), *filter(_without_checkout, sys.path)]
    sys.meta_path.insert(0, NotLocked(lock, {each.name for each in folder.iterdir()}))
    package = importlib.import_module(service)
    for found in pkgutil.walk_packages(package.__path__, f"{service}."):
        if not found.name.startswith(f"{service}.migrations"):
            importlib.import_module(found.name)
    [origin] = package.__path__
    sys.stdout.write(origin)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
