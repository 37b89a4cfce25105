"""Files and their marks: whole or not there, and right again after a crash at any moment."""

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from storage.blobs import Blob, Blobs, Incoming, Mark

CONTENT = b"a picture" * 1000
HASH = hashlib.sha256(CONTENT).hexdigest()
BLOB = Blob("m1", f"{HASH}.png")


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    made = Blobs(tmp_path / "media", "hub-1")
    assert made.prepare() == []
    return made


def files(blobs: Blobs) -> list[str]:
    """Every file below the folder, by its path."""
    return sorted(str(p.relative_to(blobs.root)) for p in blobs.root.rglob("*") if p.is_file())


def written(blobs: Blobs, content: bytes = CONTENT) -> Incoming:
    incoming = blobs.begin()
    for at in range(0, len(content), 1000):
        incoming.write(content[at : at + 1000])
    incoming.finish()
    return incoming


def test_a_file_has_the_name_of_its_content(blobs: Blobs) -> None:
    with written(blobs) as incoming:
        assert (incoming.hash, incoming.size) == (HASH, len(CONTENT))
        assert not blobs.file(BLOB).exists()
        mark = blobs.place(incoming, BLOB)
        assert blobs.file(BLOB) == blobs.root / "m1" / HASH[:2] / f"{HASH}.png"
        assert blobs.file(BLOB).read_bytes() == CONTENT
    assert blobs.settle(mark)
    assert files(blobs) == [f"m1/{HASH[:2]}/{HASH}.png"]


def test_nobody_else_may_read_it(blobs: Blobs) -> None:
    with written(blobs) as incoming:
        assert stat.S_IMODE(incoming.path.stat().st_mode) == 0o600
        blobs.place(incoming, BLOB)
    file = blobs.file(BLOB)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for folder in (file.parent, file.parent.parent, blobs.root, *blobs.root.rglob(".incoming")):
        assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0, folder


def test_what_is_not_placed_is_removed(blobs: Blobs) -> None:
    with blobs.begin() as incoming:
        incoming.write(CONTENT)
        assert len(files(blobs)) == 1
    with blobs.begin():
        pass
    assert files(blobs) == []


def test_the_same_content_of_two_merchants_is_two_files(blobs: Blobs) -> None:
    other = Blob("m2", BLOB.name)
    for blob in (BLOB, other):
        with written(blobs) as incoming:
            assert blobs.settle(blobs.place(incoming, blob))
    mark = blobs.mark(BLOB)
    blobs.remove(mark)
    blobs.forget(mark)
    assert not blobs.file(BLOB).exists()
    assert blobs.file(other).read_bytes() == CONTENT


def test_the_same_content_again_heals_a_file(blobs: Blobs) -> None:
    with written(blobs) as incoming:
        blobs.settle(blobs.place(incoming, BLOB))
    blobs.file(BLOB).write_bytes(b"what the disk has made of it")
    with written(blobs) as incoming:
        assert blobs.settle(blobs.place(incoming, BLOB))
    assert blobs.file(BLOB).read_bytes() == CONTENT
    assert files(blobs) == [f"m1/{HASH[:2]}/{HASH}.png"]


def test_the_same_content_again_changes_nothing(blobs: Blobs) -> None:
    for _ in range(2):
        with written(blobs) as incoming:
            mark = blobs.place(incoming, BLOB)
            inode = blobs.file(BLOB).stat().st_ino
            assert blobs.settle(mark)
    assert blobs.file(BLOB).stat().st_ino == inode
    assert len(files(blobs)) == 1


def test_a_file_that_was_taken_away_meanwhile_comes_back(blobs: Blobs) -> None:
    """Somebody uploads what somebody else is deleting: whoever looks last leaves what is right."""
    with written(blobs) as incoming:
        mark = blobs.place(incoming, BLOB)
    deleting = blobs.mark(BLOB)
    blobs.remove(deleting)
    assert not blobs.settle(mark), "its row has to be looked for again"
    assert blobs.file(BLOB).read_bytes() == CONTENT
    assert blobs.settle(mark)
    assert blobs.settle(deleting)
    assert blobs.file(BLOB).read_bytes() == CONTENT
    assert len(files(blobs)) == 1


def test_a_file_that_was_gone_before_is_no_fault(blobs: Blobs) -> None:
    mark = blobs.mark(BLOB)
    blobs.remove(mark)
    assert blobs.settle(mark)
    blobs.forget(mark)
    assert files(blobs) == []


def test_a_start_sweeps_what_is_half_and_tells_of_marks(blobs: Blobs) -> None:
    half = blobs.begin()
    half.write(CONTENT[:100])
    with written(blobs) as incoming:
        placed = blobs.place(incoming, BLOB)
    elsewhere = Blobs(blobs.root, "hub-2")
    assert elsewhere.prepare() == []
    assert half.path.exists(), "another hub's files are not swept"
    again = Blobs(blobs.root, "hub-1")
    assert again.prepare() == [Mark(BLOB, placed.path)]
    assert not half.path.exists()
    assert blobs.file(BLOB).exists()
    half.discard()


def test_a_mark_before_its_file_has_its_name(blobs: Blobs) -> None:
    """The crash was between the mark and the link: the row decides about a file not yet there."""
    with written(blobs) as incoming:
        mark = blobs.place(incoming, BLOB)
    blobs.file(BLOB).unlink()
    (left,) = Blobs(blobs.root, "hub-1").prepare()
    assert left == mark
    assert not blobs.settle(left)
    assert blobs.file(BLOB).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("merchant", "name"),
    [
        ("..", f"{HASH}.png"),
        (".incoming", f"{HASH}.png"),
        ("", f"{HASH}.png"),
        ("a/b", f"{HASH}.png"),
        ("a~b", f"{HASH}.png"),
        ("m1", "../../etc/passwd"),
        ("m1", HASH),
        ("m1", f"{HASH}.png/x"),
        ("m1", f"{HASH}.png\n"),
    ],
)
def test_no_name_leads_out_of_the_folder(merchant: str, name: str) -> None:
    with pytest.raises(ValueError, match="no file may have this name"):
        Blob(merchant, name)


def test_a_folder_without_hard_links_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(source: object, target: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    blobs = Blobs(tmp_path / "media", "hub-1")
    with pytest.raises(OSError, match="not permitted"):
        blobs.prepare()
    assert files(blobs) == []
