"""Ids as one blob of UTF-8 with offsets: a million of them cost their bytes, not a million
objects."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self, overload

import numpy as np
from numpy.typing import NDArray

from inference.scorers.arrays import Array, Misshapen, Positions, taken


@dataclass(frozen=True)
class Names(Sequence[str]):
    """The names of an artefact's items or users, in their order."""

    blob: bytes
    offsets: Positions

    @classmethod
    def of(cls, arrays: Mapping[str, Array], name: str) -> Self:
        """Return the names stored under `name.bytes` and `name.offsets`; Misshapen otherwise."""
        blob: NDArray[np.uint8] = taken(arrays, f"{name}.bytes", np.uint8)
        offsets = taken(arrays, f"{name}.offsets", np.int64)
        rises = offsets.size > 0 and offsets[0] == 0 and bool((np.diff(offsets) >= 0).all())
        if not rises or offsets[-1] > blob.size:
            raise Misshapen(f"names {name} do not fit together")
        return cls(blob.tobytes(), offsets)

    def __len__(self) -> int:
        return self.offsets.size - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._encoded(index).decode()

    def __iter__(self) -> Iterator[str]:
        return (self[at] for at in range(len(self)))

    def find(self, name: str) -> int | None:
        """Return where a name stands, None where it does not; the names must stand in order."""
        wanted = name.encode(errors="surrogatepass")
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._encoded(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self) and self._encoded(low) == wanted else None

    @property
    def nbytes(self) -> int:
        """Return the memory they take."""
        return len(self.blob) + self.offsets.nbytes

    def _encoded(self, index: int) -> bytes:
        return self.blob[self.offsets[index] : self.offsets[index + 1]]
