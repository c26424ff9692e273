"""What an image file says of itself is told; damage and binary tags are left out, not raised."""

from __future__ import annotations

import io

from PIL import ExifTags, Image

from winnow.core.data.media import picture_details


def photograph(**tags: object) -> bytes:
    exif = Image.Exif()
    for name, value in tags.items():
        exif[ExifTags.Base[name].value] = value
    camera = exif.get_ifd(ExifTags.IFD.Exif)
    camera[ExifTags.Base.FNumber.value] = 2.8
    camera[ExifTags.Base.MakerNote.value] = b"\xff\x00\x9c"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude.value] = (52.0, 31.0, 12.5)
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(out, "JPEG", exif=exif)
    return out.getvalue()


def test_format_size_and_tags_of_the_image_the_camera_and_the_place_are_told() -> None:
    data = photograph(Make="Acme\x00", Artist="a" * 500, Orientation=6)
    details = picture_details(data)
    assert (details.n_bytes, details.format, details.mode) == (len(data), "JPEG", "RGB")
    assert (details.width, details.height) == (40, 30), "as stored: the orientation is a tag"
    told = dict(details.exif)
    assert told["Make"] == "Acme"
    assert told["Orientation"] == "6"
    assert told["FNumber"] == "2.8"
    assert told["GPSLatitude"] == "52, 31, 12.5"
    assert len(told["Artist"]) == 201
    assert told["Artist"].endswith("…")
    assert "MakerNote" not in told, "binary values say nothing to a person"
    assert not {"ExifOffset", "GPSInfo"} & told.keys(), "tags that only point to others are left out"


def test_what_is_no_image_has_a_size_and_no_format() -> None:
    assert picture_details(b"") == picture_details(b"").__class__(0)
    assert picture_details(b"%PDF-1.7 not an image").format is None
    cut = picture_details(photograph(Make="Acme")[:60])
    assert cut.n_bytes == 60


def test_every_cut_and_every_changed_byte_of_a_file_is_survived() -> None:
    data = photograph(Make="Acme", Model="One")
    for at in range(0, len(data), 7):
        picture_details(data[:at])
        picture_details(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
