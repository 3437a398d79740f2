"""A batch is read as far as it can be; what cannot be read is one record that says so."""

import gzip
from collections.abc import Callable, Sequence
from typing import Any

import cramjam
import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from chassis import batches, decompression
from chassis.batches import Batches, Unread
from chassis.decompression import GZIP, LZ4, SNAPPY, ZSTD, Undecodable, decompress

PARTITION = TopicPartition("t", 0)
_ATTRIBUTES_AT, _CRC_AT, _HEADER = 21, 17, 61


def written(*values: bytes, headers: Sequence[tuple[str, bytes | None]] = ()) -> bytearray:
    """Return a batch as aiokafka writes it."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 22,
    )
    for offset, value in enumerate(values):
        builder.append(offset, timestamp=5, key=b"k", value=value, headers=list(headers))
    return bytearray(builder.build())


def signed(batch: bytearray) -> bytes:
    """Return a batch with the size and the checksum that belong to its bytes."""
    batch[8:12] = (len(batch) - 12).to_bytes(4)
    batch[_CRC_AT:_ATTRIBUTES_AT] = calc_crc32c(bytes(batch[_ATTRIBUTES_AT:])).to_bytes(4)
    return bytes(batch)


def packed(batch: bytearray, codec: int, content: bytes) -> bytes:
    """Return a batch whose records are replaced by what a codec made of them, or did not."""
    changed = batch[:_HEADER] + content
    changed[_ATTRIBUTES_AT + 1] |= codec
    return signed(changed)


def read(*raw: bytes) -> list[Any]:
    """Return what a consumer makes of batches."""
    found = fetcher.PartitionRecords(
        PARTITION, Batches(b"".join(raw)), [], 0, None, None, True, fetcher.READ_COMMITTED
    )
    return list(found)


def values(*raw: bytes) -> list[bytes]:
    return [record.value for record in read(*raw)]


def test_consumers_read_with_it() -> None:
    assert fetcher.MemoryRecords is Batches


def test_batches_are_read_in_order_and_an_incomplete_one_is_left_out() -> None:
    one = signed(written(b"a", b"b"))
    assert values(one, one[:-1]) == [b"a", b"b"]


@pytest.mark.parametrize("name", [b"\xff", b"\x80x", b"\xed\xa0\x80"])
def test_a_header_whose_name_is_no_text_spoils_nothing(name: bytes) -> None:
    good = bytes(written(b"a", b"b", headers=[("x" * len(name), b"\xff"), ("y", None)]))
    records = read(signed(bytearray(good.replace(b"x" * len(name), name))))
    assert [record.value for record in records] == [b"a", b"b"]
    assert [record.offset for record in records] == [0, 1]
    assert [record.timestamp for record in records] == [5, 5]
    assert records[0].headers[1] == ("y", None)
    assert records[0].key == b"k"


CODECS: dict[int, Callable[[bytes], bytes]] = {
    GZIP: gzip.compress,
    SNAPPY: lambda plain: bytes(cramjam.snappy.compress_raw(plain)),
    LZ4: lambda plain: bytes(cramjam.lz4.compress(plain)),
    ZSTD: lambda plain: bytes(cramjam.zstd.compress(plain)),
}


@pytest.mark.parametrize("codec", CODECS)
def test_what_was_packed_is_read(codec: int) -> None:
    plain = written(b"a", b"b")
    assert values(packed(plain, codec, CODECS[codec](bytes(plain[_HEADER:])))) == [b"a", b"b"]


@pytest.mark.parametrize("codec", [*CODECS, 5, 6, 7])
@pytest.mark.parametrize("content", [b"", b"no such thing", b"\xff" * 100])
def test_what_cannot_be_unpacked_is_one_record_and_the_next_batch_is_read(
    codec: int, content: bytes
) -> None:
    batch = packed(written(b"a", b"b", b"c"), codec, content)
    unread, behind = read(batch, signed(_from(3, written(b"d"))))
    assert isinstance(unread.value, Unread)
    assert (unread.offset, behind.offset, behind.value) == (0, 3, b"d")
    assert unread.value.why.startswith("A batch of 3 records from offset 0 on cannot be read: ")
    assert bytes(unread.value) == batch


def _from(offset: int, batch: bytearray) -> bytearray:
    batch[:8] = offset.to_bytes(8)
    return batch


def test_the_records_before_what_cannot_be_read_are_read() -> None:
    whole = written(b"first", b"second", b"third")
    at = bytes(whole).index(b"second") - 1
    whole[at] = 0x7F  # the length of the value, which now goes beyond the batch
    first, rest = read(signed(whole))
    assert (first.value, first.offset, rest.offset) == (b"first", 0, 1)
    assert rest.value.why.startswith("A batch of 2 records from offset 1 on cannot be read: ")


@pytest.mark.parametrize("codec", CODECS)
def test_what_has_no_end_is_refused_before_it_is_unpacked(
    codec: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MAX_BATCH_BYTES", 1000)
    [unread] = read(packed(written(b"a"), codec, CODECS[codec](bytes(1_000_000))))
    assert "more than 1000 bytes" in unread.value.why


@pytest.mark.parametrize("codec", CODECS)
def test_a_record_larger_than_any_may_be_is_shown_in_part(
    codec: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MAX_DEAD_BYTES", 10)
    monkeypatch.setattr(batches, "MAX_REQUEST_BYTES", 4)
    plain = written(b"0123456789", b"0123456789x")
    ten, eleven = read(packed(plain, codec, CODECS[codec](bytes(plain[_HEADER:]))))
    assert (ten.value, bytes(eleven.value)) == (b"0123456789", b"0123")
    assert eleven.value.why == "The record has 11 bytes, more than a record may have."
    assert not isinstance(ten.value, Unread)


def test_headers_beyond_any_number_are_passed_over_unread() -> None:
    many = bytes(written(b"a", headers=[("", None)] * 100_000))[_HEADER:]
    good = bytes(written(b"b", headers=[("x", b"y")]))[_HEADER:]
    first, second = (
        read(packed(written(b"a"), GZIP, gzip.compress(records))) for records in (many, good)
    )
    assert [(record.value, len(record.headers)) for record in first] == [(b"a", 0)]
    assert [(record.value, record.headers) for record in second] == [(b"b", (("x", b"y"),))]


def test_more_headers_than_fit_are_one_record_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "MAX_HEADERS", 1)
    # Five bytes of a record that says it has two headers, and holds none.
    records = written(b"", headers=[])[_HEADER:-1] + b"\x04"
    [record] = read(packed(written(b"a"), GZIP, gzip.compress(records)))
    assert isinstance(record.value, Unread)


def test_a_wrong_checksum_is_an_error_of_the_broker_not_of_the_producer() -> None:
    spoilt = bytearray(signed(written(b"a")))
    spoilt[-1] ^= 1
    with pytest.raises(CorruptRecordException):
        read(bytes(spoilt))


@pytest.mark.parametrize("fetched", [b"x", b"\0" * 12, b"\xff" * 80, bytes(16) + b"\2"])
def test_what_is_no_batch_is_an_error(fetched: bytes) -> None:
    with pytest.raises(CorruptRecordException):
        read(fetched)


def test_nothing_is_no_batch() -> None:
    assert read(b"") == []


@given(content=st.binary(max_size=300), codec=st.integers(0, 7), count=st.integers(1, 3))
def test_whatever_a_producer_writes_is_read_to_its_end(
    content: bytes, codec: int, count: int
) -> None:
    batch = packed(written(*[b"v"] * count), codec, content)
    found = fetcher.PartitionRecords(
        PARTITION, Batches(batch), [], 0, None, None, True, fetcher.READ_COMMITTED
    )
    records = list(found)
    assert found.next_fetch_offset == count
    assert all(isinstance(record.value, bytes | None) for record in records)


def test_members_of_one_stream_are_all_unpacked() -> None:
    assert decompress(GZIP, gzip.compress(b"a") + gzip.compress(b"b"), limit=10) == b"ab"
    two = b"".join(bytes(cramjam.zstd.compress(each)) for each in (b"a", b"b"))
    assert decompress(ZSTD, two, limit=10) == b"ab"


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [0, 1, 9, 10, 11])
def test_the_bound_is_exact(codec: int, size: int) -> None:
    content = CODECS[codec](b"x" * size)
    if size > 10:
        with pytest.raises(Undecodable, match="more than 10 bytes"):
            decompress(codec, content, limit=10)
    else:
        assert decompress(codec, content, limit=10) == b"x" * size


def test_a_block_that_says_it_is_larger_than_it_is_takes_no_space() -> None:
    with pytest.raises(Undecodable, match="more than 10 bytes"):
        decompress(SNAPPY, b"\xff\xff\xff\xff\x0fabc", limit=10)


def test_what_ends_too_early_is_said() -> None:
    with pytest.raises(Undecodable, match="too early"):
        decompress(GZIP, gzip.compress(b"abc" * 100)[:-12], limit=1000)
    stream = decompression._XERIAL + (100).to_bytes(4) + b"abc"
    with pytest.raises(Undecodable, match="too early"):
        decompress(SNAPPY, stream, limit=1000)
