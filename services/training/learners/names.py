"""Names as an artefact keeps them: one blob of UTF-8 and the offsets between them."""

from collections.abc import Mapping, Sequence

import numpy as np

from training.learners.arrays import Array


def named(of: str, names: Sequence[str]) -> Mapping[str, Array]:
    """Return the arrays `<of>.bytes` and `<of>.offsets`, the n + 1 offsets between n names."""
    encoded = [name.encode() for name in names]
    offsets = np.concatenate(([0], np.cumsum([len(name) for name in encoded], dtype=np.int64)))
    return {
        f"{of}.bytes": np.frombuffer(b"".join(encoded) or b"\0", dtype=np.uint8),
        f"{of}.offsets": offsets.astype(np.int64),
    }
