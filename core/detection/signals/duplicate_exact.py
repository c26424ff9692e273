"""Exact copies."""

from __future__ import annotations

import numpy as np

from ...types import Int32, Kind, SignalInputs, SignalResult, Strings
from ._images import flat
from ._pairs import first_equal, same_text
from ._texts import emptiness
from .base import SIGNALS, BaseSignal


class DuplicateExact(BaseSignal):
    """The same file, the same decoded pixels, the same text, or (where nothing else is known) the same vector.

    Notes
    -----
    Formula: 1 where another sample has an equal file hash, pixel hash (a re-encoded lossless copy) or text in Unicode
    compatibility form with case folded and white space collapsed; else 0. Undecodable, flat and empty samples are left
    out: they are broken, not copies. ``partner`` is the first such row.

    References
    ----------
    Hashing of decoded content as in cleanvision's exact duplicates (cleanlab); Unicode NFKC (UAX 15).
    """

    name = "duplicate_exact"
    kind = Kind.DUPLICATE
    title = "Exact duplicate"
    explain = "Another sample has the same content, byte for byte or pixel for pixel."

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the samples."""
        partner = np.full(inputs.n, -1, np.int32)
        reasons = np.full(inputs.n, "", object)
        media = inputs.media
        readable = np.ones(inputs.n, bool)
        if inputs.texts is not None:
            readable = emptiness(inputs.texts) == ""
        if media is not None:
            readable &= (media.error == "") & ~flat(inputs)
            for keys, reason in ((media.file_hash, "same file"), (media.pixel_hash, "same pixels")):
                self._keep(partner, reasons, first_equal(keys, readable & (keys != 0)), reason)
            if inputs.texts is not None:  # a pair is a copy only where both the image and the text are
                texts = same_text(inputs.texts)
                unlike = (partner >= 0) & (texts != texts[np.maximum(partner, 0)])
                partner[unlike], reasons[unlike] = -1, ""
        elif inputs.texts is not None:
            self._keep(partner, reasons, first_equal(same_text(inputs.texts), readable), "same text")
        elif inputs.vectors is not None:
            each = [e.vectors for e in inputs.encoders] or [inputs.vectors]
            rows = np.concatenate([np.asarray(x, np.float16) for x in each], axis=1)
            whole = rows.view(np.dtype((np.void, max(1, rows.shape[1] * rows.itemsize)))).ravel()
            self._keep(partner, reasons, first_equal(whole, inputs.ok), "same vector")
        return SignalResult((partner >= 0).astype(np.float32), partner=partner, reasons=reasons)

    @staticmethod
    def _keep(partner: Int32, reasons: Strings, twin: Int32, reason: str) -> None:
        """Set, in place, the partners of rows that have none yet."""
        new = (partner < 0) & (twin >= 0)
        partner[new], reasons[new] = twin[new], reason


SIGNALS.register(DuplicateExact.name)(DuplicateExact())
