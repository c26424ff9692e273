"""Images: safe decoding, one pass that measures every image, and thumbnails that outlive the source.

In: a dataset's image bytes. Out: measurements, thumbnails, and decoded pixels for encoders.
"""

from __future__ import annotations

from .decode import DECODE_VERSION, MAX_PIXELS, Undecodable, decode
from .details import PictureDetails, picture_details
from .scan import scan_media
from .store import MEDIA_VERSION, Thumbnails, content_hashes, load_media_features

__all__ = [
    "DECODE_VERSION",
    "MAX_PIXELS",
    "MEDIA_VERSION",
    "PictureDetails",
    "Thumbnails",
    "Undecodable",
    "content_hashes",
    "decode",
    "load_media_features",
    "picture_details",
    "scan_media",
]
