"""Which files are a picture's, while its sizes are made and afterwards."""

from msgspec import structs

from jobs.pictures.variants import blobs_of, is_wanted, served, upload_of, variants_of
from storage.merchant_records import MediaFile
from tests.storage import samples

HASH = "0" * 64
UPLOAD = f"{HASH}.png"
MADE = {
    "original": {
        "file": f"{HASH}.original.png", "mime_type": "image/png", "width": 9, "height": 6,
        "size": 70,
    },
    "thumbnail": {
        "file": f"{HASH}.thumbnail.jpg", "mime_type": "image/jpeg", "width": 3, "height": 2,
        "size": 20,
    },
}  # fmt: skip


def row(status: str, **changes: object) -> MediaFile:
    return samples.file(
        hash=HASH, file_name=UPLOAD, mime_type="image/png", status=status, **changes
    )


READY = structs.replace(
    row("ready"), file_name=f"{HASH}.original.png", metadata={"variants": MADE, "more": 1}
)


def test_before_its_sizes_are_made_everything_may_be_of_use() -> None:
    file = row("processing")
    assert variants_of(file) == {}
    assert served(file) == upload_of(file)
    for name in (UPLOAD, f"{HASH}.original.png", f"{HASH}.jpeg.jpg"):
        assert is_wanted(file, name)
        assert name in {blob.name for blob in blobs_of(file)}


def test_then_the_upload_is_not_and_its_sizes_are() -> None:
    assert served(READY).name == f"{HASH}.original.png"
    assert upload_of(READY).name == UPLOAD
    assert not is_wanted(READY, UPLOAD)
    assert not is_wanted(READY, f"{HASH}.medium.jpg")
    for name in (f"{HASH}.original.png", f"{HASH}.thumbnail.jpg"):
        assert is_wanted(READY, name)
    assert {blob.name for blob in blobs_of(READY)} == {
        UPLOAD, f"{HASH}.original.png", f"{HASH}.thumbnail.jpg",
    }  # fmt: skip


def test_of_a_failed_picture_the_upload_alone_is_kept() -> None:
    file = row("failed")
    assert is_wanted(file, UPLOAD)
    assert not is_wanted(file, f"{HASH}.original.png")


def test_a_picture_from_before_there_were_sizes_is_its_upload() -> None:
    file = row("ready")
    assert is_wanted(file, UPLOAD)
    assert [blob.name for blob in blobs_of(file)] == [UPLOAD]


def test_without_a_row_nothing_is_wanted() -> None:
    assert not is_wanted(None, UPLOAD)
