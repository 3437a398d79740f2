"""What brokers hand out, taken apart so that nothing in it can fail the rest.

aiokafka reads a partition's batches one after the other and raises at the first that it cannot
read, be it for a header's name or for a codec; everything else that was fetched goes down with it.
Here a batch is read as far as it can be, within a bounded space, and what cannot be read stands as
one record that says so. What a broker's disk or the network has damaged is another matter: its
checksum is wrong, another look may find it whole, so it is still an error.
"""

from collections.abc import Iterator
from struct import Struct
from typing import Any, NamedTuple

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch
from aiokafka.record.util import decode_varint

from chassis import telemetry
from chassis.decompression import decompress
from chassis.sizes import MAX_DEAD_BYTES, MAX_REQUEST_BYTES

#: How much a batch may hold when it is unpacked, in bytes.
MAX_BATCH_BYTES = 64 * 1024 * 1024
#: How many headers of a record are read, where a producer compressed them: a kilobyte can hold
#: hundreds of thousands, which take seconds and hundreds of megabytes.
MAX_HEADERS = 1000
#: A batch's first bytes, in every version of the format: its offset and the size of the rest.
_FRAME = Struct(">qi")
_VERSION_AT = 16
_HEADER = Struct(">qiibIhiqqqhii")
_ATTRIBUTES_AT = 21
_ATTRIBUTES = Struct(">h")
_CODEC_BITS = 0x07
#: Since Kafka 0.11; a broker keeps older ones only where they were written before it was updated.
_VERSION = 2


class Unread(bytes):
    """The value of a record that cannot be read as it was sent: what can be shown of it."""

    why: str

    def __new__(cls, shown: bytes, why: str) -> "Unread":
        """Show some bytes, and say in a sentence why they are all there is."""
        self = super().__new__(cls, shown)
        self.why = why
        return self


class Entry(NamedTuple):
    """One record of a batch, as aiokafka's own class for it looks."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    checksum: None = None


class Batches:
    """The batches that a broker handed out of one partition; an incomplete last one is left out."""

    def __init__(self, fetched: bytes) -> None:
        """Take what stands in a broker's answer."""
        self._fetched = memoryview(fetched)
        self._at = 0

    def size_in_bytes(self) -> int:
        """Return how many bytes were handed out."""
        return len(self._fetched)

    def has_next(self) -> bool:
        """Tell whether a batch comes; bytes that hold not even one are for `next_batch` to say."""
        return self._end() is not None or (self._at == 0 and len(self._fetched) > 0)

    def next_batch(self) -> Any:
        """Return the next batch.

        Raises:
            CorruptRecordException: there is something else.
        """
        end = self._end()
        if end is None or end - self._at <= _VERSION_AT:
            raise CorruptRecordException("what the broker handed out is no batch of records")
        raw, self._at = self._fetched[self._at : end], end
        if raw[_VERSION_AT] < _VERSION:
            return LegacyRecordBatch(raw, raw[_VERSION_AT])
        if len(raw) < _HEADER.size:
            raise CorruptRecordException("a batch of records is shorter than its own header")
        return Batch(raw)

    def _end(self) -> int | None:
        left = len(self._fetched) - self._at
        if left < _FRAME.size:
            return None
        _, size = _FRAME.unpack_from(self._fetched, self._at)
        return self._at + _FRAME.size + size if 0 <= size <= left - _FRAME.size else None


class Batch:
    """One batch. Its checksum is looked at first; after that nothing in it raises."""

    def __init__(self, raw: memoryview) -> None:
        """Read the header."""
        self._raw = raw
        self._strict = DefaultRecordBatch(raw)
        self.base_offset: int = self._strict.base_offset
        self.next_offset: int = self._strict.next_offset
        self.producer_id: int = self._strict.producer_id
        self.is_control_batch: bool = self._strict.is_control_batch
        self.is_transactional: bool = self._strict.is_transactional

    def validate_crc(self) -> bool:
        """Tell whether these are the bytes that a producer sent."""
        valid: bool = self._strict.validate_crc()
        return valid

    def __next__(self) -> Any:
        """Return the record of a control batch, which brokers write."""
        return next(self._strict)

    def __iter__(self) -> Iterator[Any]:
        """Yield the records; where reading ends too early, one that says so."""
        begins = self.base_offset
        plain: memoryview | None = None
        try:
            plain = self._plain()
            # aiokafka's reader is faster, and makes room for whatever a record holds.
            is_as_sent = plain is self._raw
            for record in DefaultRecordBatch(plain) if is_as_sent else _leniently(plain):
                yield _bounded(record)
                begins = record.offset + 1
        except Exception as error:  # whatever the libraries make of it
            yield from self._rest(begins, plain, error)

    def _plain(self) -> memoryview:
        """Return the batch as it would be without compression."""
        (attributes,) = _ATTRIBUTES.unpack_from(self._raw, _ATTRIBUTES_AT)
        codec = attributes & _CODEC_BITS
        if not codec:
            return self._raw
        packed = bytes(self._raw[_HEADER.size :])
        plain = bytearray(self._raw[: _HEADER.size])
        _ATTRIBUTES.pack_into(plain, _ATTRIBUTES_AT, attributes & ~_CODEC_BITS)
        return memoryview(plain + decompress(codec, packed, limit=MAX_BATCH_BYTES))

    def _rest(self, begins: int, plain: memoryview | None, error: Exception) -> Iterator[Any]:
        """Yield what can be read leniently from an offset on, and what says that there is more."""
        if plain is not None:
            try:
                for record in _leniently(plain):
                    if record.offset >= begins:
                        yield _bounded(record)
                        begins = record.offset + 1
            except (IndexError, ValueError) as worse:
                error = worse
            else:
                return
        if begins >= self.next_offset:
            telemetry.log.warning("a batch has bytes behind its last record: %s", error)
            return
        yield self._unread(begins, error)

    def _unread(self, begins: int, error: Exception) -> Entry:
        count = self.next_offset - begins
        why = f"A batch of {count} records from offset {begins} on cannot be read: {error}."
        shown = Unread(bytes(self._raw[:MAX_REQUEST_BYTES]), why)
        return Entry(begins, self._strict.max_timestamp, 0, None, shown, [])


def _bounded(record: Any) -> Any:
    """Return a record, or what stands for one that is larger than any may be."""
    if record.value is None or len(record.value) <= MAX_DEAD_BYTES:
        return record
    why = f"The record has {len(record.value)} bytes, more than a record may have."
    shown = Unread(record.value[:MAX_REQUEST_BYTES], why)
    return Entry(record.offset, record.timestamp, record.timestamp_type, None, shown, [])


def _leniently(plain: memoryview) -> Iterator[Entry]:
    """Yield a batch's records as aiokafka does, with header names that need not be UTF-8.

    A record with more headers than `MAX_HEADERS` has none.

    Raises:
        IndexError, ValueError: its bytes are no records.
    """
    header = _HEADER.unpack_from(plain)
    base_offset, attributes, first, latest, count = (header[at] for at in (0, 5, 7, 8, 12))
    appended = attributes >> 3 & 1
    body = _Reader(plain[_HEADER.size :])
    for _ in range(count):
        length = body.number()
        end = body.at + length
        body.number()  # attributes, which no version uses
        since, delta = body.number(), body.number()
        key, value = body.sized(), body.sized()
        headers = body.headers(until=end)
        if body.at != end:
            raise ValueError("a record is not as long as it says")
        at = latest if appended else first + since
        yield Entry(base_offset + delta, at, appended, key, value, headers)


class _Reader:
    """Reads the numbers and sized bytes that a batch is made of."""

    def __init__(self, body: memoryview) -> None:
        self._body = bytearray(body)
        self.at = 0

    def number(self) -> int:
        number, self.at = decode_varint(self._body, self.at)
        return int(number)

    def sized(self) -> bytes | None:
        size = self.number()
        if size < 0:
            return None
        begins, self.at = self.at, self.at + size
        if self.at > len(self._body):
            raise ValueError("a record goes beyond the end of its batch")
        return bytes(self._body[begins : self.at])

    def headers(self, *, until: int) -> list[tuple[str, bytes | None]]:
        """Read names and values; pass over all of them, to `until`, where there are too many."""
        count = self.number()
        if count <= MAX_HEADERS:
            return [
                ((self.sized() or b"").decode(errors="replace"), self.sized()) for _ in range(count)
            ]
        if not self.at + 2 * count <= until <= len(self._body):
            raise ValueError("a record says that it has more headers than fit into it")
        self.at = until
        return []


def take_over() -> None:
    """Let all consumers of this process read with `Batches`; aiokafka has no setting for it."""
    fetcher.MemoryRecords = Batches
