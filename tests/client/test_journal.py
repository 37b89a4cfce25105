"""The journal's file: durable, locked, and readable whatever a crash leaves of it."""

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.client.errors import JournalDamaged, JournalError, JournalInUse
from hub.client.journal import Journal
from hub.client.journal_file import (
    JournalFile,
    Record,
    apply,
    decode_line,
    encode_line,
)
from tests.client.command import ROOT, environment

State = Literal["sending", "sent", "unsent", "settled"]


def record(key: str, state: State, **more: Any) -> Record:
    return Record(key, f"job-{key}", 1, state, "2026-11-22T10:00:00.000Z", **more)


def written(path: Path, *commits: list[Record]) -> bytes:
    file = JournalFile(path)
    live: dict[str, Record] = dict(file.entries)
    for records in commits:
        apply(live, records)
        file.write("m1", records, list(live.values()))
    file.close()
    return path.read_bytes()


def read(path: Path) -> dict[str, Record]:
    file = JournalFile(path)
    file.close()
    return file.entries


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "j"
    sent = record("b", "sent", result={"messageId": 'ü"\n,"check":"'})
    content = written(
        path,
        [record("a", "sending", note={"x": 1}), record("b", "sending"), record("c", "sending")],
        [sent, record("c", "unsent")],
        [record("d", "sending"), record("d", "sent"), record("d", "settled")],
    )
    assert read(path) == {"a": record("a", "sending", note={"x": 1}), "b": sent}
    assert path.read_bytes() == content
    assert content.count(b"\n") == 3
    file = JournalFile(path)
    assert file.merchant_id == "m1"
    file.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_sent_outlives_sending() -> None:
    entries: dict[str, Record] = {}
    sending, sent = record("a", "sending"), record("a", "sent")
    apply(entries, [sent, sending])
    assert entries == {"a": sent}
    apply(entries, [record("a", "settled"), sending])
    assert entries == {"a": sending}


def test_others_may_not_read_it(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.touch(0o644)
    path.chmod(0o644)
    read(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


steps = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["sending", "sent", "unsent", "settled"])),
    max_size=12,
)


@given(steps, st.data())
def test_every_beginning_of_it_can_be_read_and_no_sent_message_is_taken_for_unknown(
    tmp_path_factory: pytest.TempPathFactory, chosen: list[tuple[str, State]], data: st.DataObject
) -> None:
    """A crash leaves some beginning of the file. What is fsynced is in it for sure."""
    path = tmp_path_factory.mktemp("journal") / "j"
    commits = [[record(key, state)] for key, state in chosen]
    content = written(path, *commits)
    length = data.draw(st.integers(0, len(content)))
    rest = data.draw(st.sampled_from([b"", b"\0" * 50, b"garbage"]))
    # Garbage where a file begins is another kind of file.
    path.write_bytes(content[:length] + (rest if 20 < length < len(content) else b""))

    whole = content[:length].count(b"\n")
    expected: dict[str, Record] = {}
    apply(expected, [one for commit in commits[:whole] for one in commit])
    assert read(path) == expected
    # And it is written on as if nothing had happened.
    written(path, [record("z", "sending")])
    assert read(path) == expected | {"z": record("z", "sending")}


@given(st.binary(max_size=200))
def test_no_bytes_confuse_the_reader_of_lines(line: bytes) -> None:
    assert decode_line(line) is None


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_changed_byte_is_noticed(at: int, byte: int) -> None:
    line = encode_line("m1", [record("a", "sent", result={"messageId": "x"})])[:-1]
    at %= len(line)
    changed = line[:at] + bytes([byte]) + line[at + 1 :]
    assert (decode_line(changed) is None) == (changed != line)


def test_damage_in_the_middle_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "j"
    content = written(path, *([record(key, "sending")] for key in "abc"))
    damaged = content.replace(b"job-b", b"job-x")
    path.write_bytes(damaged)
    with pytest.raises(JournalDamaged, match="damaged in line 2"):
        JournalFile(path)
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("content", [b"hub_b_secret\n", b"{}", b'{"journal":2,"x":1}\n', b"\n"])
def test_another_file_is_not_touched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bot.key"
    path.write_bytes(content)
    with pytest.raises(JournalDamaged, match="is not a bot's journal"):
        JournalFile(path)
    assert path.read_bytes() == content


def test_it_has_one_owner(tmp_path: Path) -> None:
    path = tmp_path / "j"
    first = JournalFile(path)
    with pytest.raises(JournalInUse, match="in use by another bot"):
        JournalFile(path)
    code = """
import pathlib, sys
from hub.client.journal_file import JournalFile
JournalFile(pathlib.Path(sys.argv[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "JournalInUse" in done.stderr
    first.close()
    read(path)


def test_it_is_rewritten_when_it_has_grown_and_stays_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.client.journal_file.COMPACT_BYTES", 2000)
    path = tmp_path / "j"
    file = JournalFile(path)
    live = {"keep": record("keep", "sent", result={"messageId": "x"})}
    file.write("m1", list(live.values()), list(live.values()))
    for n in range(100):
        for state in ("sending", "sent", "settled"):
            one = record(f"k{n}", state)
            apply(live, [one])
            file.write("m1", [one], list(live.values()))
            assert path.stat().st_size < 2500
    with pytest.raises(JournalInUse):
        JournalFile(path)
    file.close()
    assert read(path) == {"keep": record("keep", "sent", result={"messageId": "x"})}
    assert [one.name for one in tmp_path.iterdir()] == ["j"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_after_a_failed_write_a_new_file_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "j"
    file = JournalFile(path)
    a, b, c = (record(key, "sending") for key in "abc")
    file.write("m1", [a], [a])
    inode = path.stat().st_ino
    real = getattr(os, call)

    def torn(descriptor: int, *content: bytes) -> int:
        if call == "write":
            real(descriptor, content[0][:10])
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, call, torn)
    with pytest.raises(JournalError, match=r"j cannot be written: Input/output error"):
        file.write("m1", [b], [a, b])
    with pytest.raises(JournalError):
        file.write("m1", [c], [a, b, c])
    monkeypatch.undo()
    file.write("m1", [record("c", "unsent")], [a, b])
    file.close()
    assert path.stat().st_ino != inode
    assert read(path) == {"a": a, "b": b}


async def test_what_comes_while_the_disk_is_busy_is_one_commit(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = await Journal.open(path)
    futures = [journal.append(record(f"k{n}", "sending")) for n in range(1000)]
    await asyncio.gather(*futures)
    await journal.close()
    assert path.read_bytes().count(b"\n") == 1
    assert len(read(path)) == 1000
    with pytest.raises(JournalError, match="closed"):
        await journal.append(record("x", "sending"))
