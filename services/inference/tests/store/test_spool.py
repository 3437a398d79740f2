import os
from pathlib import Path

import pytest

from inference.store.spool import Spool, SpoolFull


def spool(home: Path, *, limit: int = 10_000, segment: int = 100) -> Spool:
    return Spool(home, limit_bytes=limit, segment_bytes=segment)


def drained(spool: Spool, *, limit: int = 3) -> list[bytes]:
    lines: list[bytes] = []
    while (batch := spool.peek(limit=limit)) is not None:
        lines += batch.lines
        spool.sent(batch)
    return lines


def numbered(start: int, stop: int) -> list[bytes]:
    return [f"line {n}\n".encode() for n in range(start, stop)]


def test_lines_leave_in_order_and_once(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    for line in numbered(0, 50):
        kept.append(line)

    assert drained(kept) == numbered(0, 50)
    assert kept.waiting_bytes == 0
    kept.append(b"line 50\n")
    assert drained(kept) == [b"line 50\n"]
    assert len(list(tmp_path.glob("*/*.lines"))) == 1


def test_what_was_not_sent_is_offered_again(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    kept.append(b"a\nb\n")

    assert kept.peek(limit=1) == kept.peek(limit=1)


def test_a_new_process_goes_on_where_a_dead_one_stopped(tmp_path: Path) -> None:
    before = spool(tmp_path)
    for line in numbered(0, 40):
        before.append(line)
    batch = before.peek(limit=25)
    assert batch is not None
    before.sent(batch)
    before.close()

    after = spool(tmp_path)
    after.append(b"line 40\n")

    # The first segment held 13 lines; a batch never spans two.
    assert drained(after) == numbered(len(batch.lines), 41)
    assert after.waiting_bytes == 0


def test_a_torn_last_line_is_passed_over(tmp_path: Path) -> None:
    before = spool(tmp_path)
    before.append(b"whole\n")
    before.close()
    [segment] = tmp_path.glob("*/*.lines")
    segment.write_bytes(b"whole\ntor")

    after = spool(tmp_path)
    after.append(b"next\n")

    assert drained(after) == [b"whole\n", b"next\n"]
    assert after.waiting_bytes == 0


@pytest.mark.parametrize("content", [b"", b"nonsense", b"{}", b'{"segment": "x"}'])
def test_a_broken_cursor_repeats_rather_than_loses(tmp_path: Path, content: bytes) -> None:
    before = spool(tmp_path)
    before.append(b"a\n")
    drained(before)
    before.append(b"b\n")
    before.close()
    (tmp_path / "000" / "cursor").write_bytes(content)

    assert drained(spool(tmp_path)) == [b"a\n", b"b\n"]


def test_two_processes_have_folders_of_their_own(tmp_path: Path) -> None:
    one, other = spool(tmp_path), spool(tmp_path)
    one.append(b"one\n")
    other.append(b"other\n")

    assert drained(one) == [b"one\n"]
    assert drained(other) == [b"other\n"]


def test_a_full_spool_takes_nothing_until_some_has_left(tmp_path: Path) -> None:
    kept = spool(tmp_path, limit=20)
    kept.append(b"0123456789\n")

    with pytest.raises(SpoolFull):
        kept.append(b"0123456789\n")

    drained(kept)
    kept.append(b"0123456789\n")
    assert drained(kept) == [b"0123456789\n"]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = spool(tmp_path)
    kept.append(b"before\n")
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, lines: write(file, lines[:3]))

    with pytest.raises(SpoolFull):
        kept.append(b"during\n")

    monkeypatch.setattr(os, "write", write)
    kept.append(b"after\n")
    assert drained(kept) == [b"before\n", b"after\n"]


def test_what_left_is_gone_within_a_day_though_nothing_is_written_any_more(tmp_path: Path) -> None:
    moment = 0.0
    kept = Spool(tmp_path, limit_bytes=10_000, clock=lambda: moment)
    kept.append(b"old\n")
    assert drained(kept) == [b"old\n"]
    moment += 25 * 3600
    assert kept.peek(limit=1) is None
    assert [path.read_bytes() for path in tmp_path.glob("*/*.lines")] == [b""]
    kept.append(b"new\n")
    assert drained(kept) == [b"new\n"]


def test_what_could_not_leave_for_a_day_is_kept(tmp_path: Path) -> None:
    moment = 0.0
    kept = Spool(tmp_path, limit_bytes=10_000, clock=lambda: moment)
    kept.append(b"old\n")
    moment += 25 * 3600
    kept.append(b"new\n")
    assert drained(kept) == [b"old\n", b"new\n"]
