"""Who may keep how many sockets open: each costs two descriptors here and a look at a job there."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from chassis.identity import Caller


class Places:
    """Counts the sockets that are open in this process."""

    def __init__(self, *, person: int, tenant: int, everybody: int) -> None:
        """Allow so many to a person or key, to a tenant, and to all together."""
        self._most = (("caller", person), ("tenant", tenant), ("all", everybody))
        self._open: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def taken_by(self, caller: Caller) -> Iterator[bool]:
        """Tell whether there is a place for a caller's socket, and keep it meanwhile."""
        names = (caller.subject, caller.tenant_id, "")
        keys = [(kind, name) for (kind, _most), name in zip(self._most, names, strict=True)]
        limits = zip(keys, self._most, strict=True)
        if any(self._open[key] >= most for key, (_kind, most) in limits):
            yield False
            return
        self._open.update(keys)
        try:
            yield True
        finally:
            self._open.subtract(keys)
            for key in keys:
                if not self._open[key]:
                    del self._open[key]
