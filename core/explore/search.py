"""Search by words, by a sample, by a given file, and by what is not wanted.

Where the encoder has a text tower (CLIP, sentence encoders, word features), words are compared with samples in its
space; elsewhere words are looked up in a full-text index, and a notice says so.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import fingerprint as fp
from ..errors import QueryError, ReadOnly, WeightsUnavailable
from ..features import encoders
from ..features.encoders import unit_rows
from ..features.vector_index import SearchIndex
from ..storage.artifacts import load_array, save_array
from ..storage.layout import Layout
from ..storage.scan_files import ScanFiles
from ..types import Float32, Int64, Modality
from .fulltext import FullText, words_of

BLOCK = 65_536
"""Rows of embeddings read at a time."""
INDEXED = 200_000
"""Rows from which the index is asked: below, looking at every row takes a tenth of a second."""
FEW = 5_000
"""Rows that a filter leaves up to which these are read one by one, whatever the index."""
FOUND = 500
"""Samples that a search finds: the nearest among all that the rest of the filter lets through."""
MAX_WORDS = 500
"""Characters of a description."""

_HANDLE = re.compile(r"[0-9a-f]{16}")
_KEPT = 16
"""Answers that are remembered: a page asks for counts, ids and rows of the same search."""


@dataclass(frozen=True)
class Search:
    """What is looked for; everything given counts.

    Attributes
    ----------
    text
        A description.
    like
        A sample's id.
    file
        The handle of a given file: see :meth:`Searcher.keep`.
    without
        A description of what is not wanted.
    """

    text: str = ""
    like: str = ""
    file: str = ""
    without: str = ""

    def __bool__(self) -> bool:
        return bool(self.text or self.like or self.file or self.without)


@dataclass(frozen=True)
class SearchResult:
    """The samples that a search found.

    Attributes
    ----------
    rows
        (m,) int64, the best first.
    scores
        (m,) float32 cosines with the query, or shares of the best full-text score.
    by_words
        Whether the full-text index answered.
    """

    rows: Int64
    scores: Float32
    by_words: bool


class Searcher:
    """Cosine search over a workspace's embeddings (float16, memory-mapped).

    Up to 200,000 rows, every row is compared. Beyond that, candidates come from the index of the scan: for a sample
    from the cells near it (with the recall that ``graphs.json`` states); for a description, which is far from every
    sample, from all cells. Candidates are compared again on the stored vectors.

    Parameters
    ----------
    layout
        Of the workspace.
    encoder
        Its specification.
    stamp
        Changes when the words of the dataset do.
    row_of
        Sample id → row; raises QueryError.
    """

    def __init__(self, layout: Layout, encoder: dict[str, Any], stamp: str, row_of: Callable[[str], int]) -> None:
        self._layout, self._encoder, self._row_of = layout, encoder, row_of
        meta = layout.meta if layout.meta.exists() else None
        self._words = FullText(layout.root / "words.db", stamp, lambda: words_of(layout.dataset, meta))
        self._answers: OrderedDict[tuple[Search, int, str], SearchResult] = OrderedDict()
        self._files: dict[str, Float32] = {}
        self._lock = threading.Lock()

    # ── what can be asked ───────────────────────────────────────────────────────────────────────────────────────

    @property
    def knows_words(self) -> bool:
        """Whether descriptions are compared with samples in the encoder's space."""
        name, modality = self._encoder["name"], Modality(self._encoder["modality"])
        return name != encoders.PRECOMPUTED and bool(self._encoder["has_text_tower"] or modality is Modality.TEXT)

    @property
    def takes(self) -> str:
        """What kind of file can be searched by: "image", "text", or "" where embeddings were given."""
        if self._encoder["name"] == encoders.PRECOMPUTED:
            return ""
        return "text" if Modality(self._encoder["modality"]) is Modality.TEXT else "image"

    def notice(self) -> str:
        """What a person must know about searching by words here, "" = nothing."""
        if self.knows_words and not self._missing:
            return ""
        name = self._encoder["name"]
        what = f"{name!r} ({self._missing})" if self._missing else repr(name)
        return (
            f"The encoder {what} cannot compare words with samples: words are looked up in ids, texts, labels and "
            "metadata (full text). Scan with a CLIP or sentence encoder to search by meaning."
        )

    def find(self, search: Search, limit: int = FOUND, only: Int64 | None = None) -> SearchResult:
        """The samples nearest to what is looked for, the best first.

        Parameters
        ----------
        search
            What is looked for. The sample ``search.like`` itself is left out.
        limit
            Most samples to return.
        only
            Rows that may be found, None = all.

        Raises
        ------
        QueryError
            An unknown sample or file.

        Notes
        -----
        The query a is the unit sum of the unit vectors of ``text``, ``like`` and ``file``. The meaning of ``without``
        (unit vector b) is removed from it: q = a − (a·b)·b. ``without`` alone ranks by −b.

        References
        ----------
        Widdows, "Orthogonal negation in vector spaces for modelling word-meanings and document retrieval", ACL 2003.
        """
        key = (search, limit, "" if only is None else fp.of_array(only))
        with self._lock:
            if (known := self._answers.get(key)) is not None:
                self._answers.move_to_end(key)
                return known
        result = self._find(search, limit, only)
        with self._lock:
            self._answers[key] = result
            while len(self._answers) > _KEPT:
                self._answers.popitem(last=False)
        return result

    def _find(self, search: Search, limit: int, only: Int64 | None) -> SearchResult:
        parts = []
        if search.like:
            parts.append(np.asarray(self._vectors[self._row_of(search.like)], np.float32))
        if search.file:
            parts.append(self._file(search.file))
        by_words = bool(search.text or search.without) and self._text_tower is None
        if by_words and not parts:
            rows, scores = self._words.search(search.text, search.without, limit, only)
            return SearchResult(rows, scores, True)
        if by_words:  # words narrow what is near
            if search.text:
                only = np.sort(self._words.search(search.text, search.without, len(self._ok), only)[0])
            else:
                bad = self._words.search(search.without, limit=len(self._ok))[0]
                only = np.setdiff1d(np.arange(len(self._ok)) if only is None else only, bad)
        elif search.text:
            parts.append(self._text_vector(search.text))
        query = unit_rows(np.sum([unit_rows(p[None])[0] for p in parts], axis=0)[None])[0] if parts else None
        if search.without and not by_words:
            b = unit_rows(self._text_vector(search.without)[None])[0]
            query = -b if query is None else unit_rows((query - float(query @ b) * b)[None])[0]
        assert query is not None
        alike = bool(search.like) and not (search.text or search.file or search.without)
        rows, scores = self._nearest(
            query, limit + bool(search.like), only, self._probes if alike and only is None else 0
        )
        if search.like:
            keep = rows != self._row_of(search.like)
            rows, scores = rows[keep][:limit], scores[keep][:limit]
        return SearchResult(rows, scores, by_words)

    def encode(self, texts: list[str]) -> Float32 | None:
        """(m, d) float32 unit rows of texts in the encoder's space, None where it has no text tower."""
        tower = self._text_tower
        return None if tower is None else unit_rows(tower.encode_texts(texts))

    def prepare(self) -> None:
        """Load what the first search by words needs: the text tower, or the full-text index."""
        if self._text_tower is None:
            self._words.build()

    # ── given files ─────────────────────────────────────────────────────────────────────────────────────────────────

    def keep(self, content: bytes) -> str:
        """Encode a file (a picture's bytes, or UTF-8 text) and keep its vector. Returns its handle.

        The same file gets the same handle.

        Raises
        ------
        QueryError
            It cannot be encoded.
        """
        if not self.takes:
            raise QueryError("This dataset's embeddings are precomputed: there is no encoder to compare a file with.")
        encoder = self._encoder_now()
        if self.takes == "image":
            vector = encoder.encode_images([content])[0]
            if not np.any(vector):
                raise QueryError("This file is no picture that can be read. Bring a JPEG, PNG, WebP, GIF, BMP or TIFF.")
        else:
            try:
                text = content.decode("utf-8").strip()
            except UnicodeDecodeError:
                raise QueryError("This file is no text in UTF-8.") from None
            vector = unit_rows(encoder.encode_texts([text]))[0] if text else np.zeros(1, np.float32)
            if not np.any(vector):
                raise QueryError("This text has no words that the encoder knows.")
        handle = hashlib.blake2b(content, digest_size=8, person=fp.of(self._encoder["name"])[:16].encode()).hexdigest()
        self._files[handle] = vector
        with contextlib.suppress(ReadOnly):  # then it lasts as long as the server
            save_array(self._layout.root / "searches" / f"{handle}.npy", vector)
        return handle

    def _file(self, handle: str) -> Float32:
        path = self._layout.root / "searches" / f"{handle}.npy"
        if handle not in self._files:
            if not _HANDLE.fullmatch(handle) or not path.exists():
                raise QueryError("The file of this search is no longer kept. Bring it again.")
            self._files[handle] = np.asarray(load_array(path), np.float32)
        vector = self._files[handle]
        if len(vector) != self._vectors.shape[1]:
            raise QueryError("The dataset has been embedded anew since this file was uploaded. Upload it again.")
        return vector

    # ── how ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _vectors(self) -> np.ndarray[Any, Any]:
        vectors = ScanFiles(self._layout).vectors
        if vectors is None:
            raise QueryError(
                "This workspace has no embeddings to search in. Scan it again: it goes on where it was cut."
            )
        return vectors

    @cached_property
    def _ok(self) -> np.ndarray[Any, Any]:
        ok = ScanFiles(self._layout).ok
        return np.ones(len(self._vectors), bool) if ok is None else ok

    _missing = ""
    """Why the text tower that there should be cannot be loaded."""

    def _encoder_now(self) -> Any:
        choice = encoders.choose(self._encoder["name"], Modality(self._encoder["modality"]), allow_network=False)
        return encoders.load_fitted(choice, self._layout.embeddings)

    @cached_property
    def _text_tower(self) -> Any:
        if not self.knows_words:
            return None
        try:
            return self._encoder_now()
        except WeightsUnavailable as error:
            self._missing = str(error)
            return None

    def _text_vector(self, text: str) -> Float32:
        return np.asarray(self._text_tower.encode_texts([text])[0], np.float32)

    @cached_property
    def _index(self) -> SearchIndex | None:
        path = self._layout.neighbors / "index.faiss"
        return SearchIndex(path) if len(self._vectors) > INDEXED and path.exists() else None

    @cached_property
    def _probes(self) -> int:
        return ScanFiles(self._layout).index_probes

    def _nearest(self, query: Float32, limit: int, only: Int64 | None = None, probes: int = 0) -> tuple[Int64, Float32]:
        query = query / max(float(np.linalg.norm(query)), 1e-12)
        if only is not None:
            only = only[self._ok[only]]
        if self._index is not None and (only is None or len(only) > min(FEW, INDEXED)):
            rows = self._index.search(query[None], 2 * limit, probes, only)[0][0]
            rows = np.sort(rows[rows >= 0])
            exact = np.asarray(self._vectors[rows], np.float32) @ query
            best = np.lexsort((rows, -exact))[:limit]
            return rows[best], exact[best]
        here: Int64 = np.flatnonzero(self._ok) if only is None else np.asarray(only, np.int64)
        cosines = np.empty(len(here), np.float32)
        whole = len(here) == len(self._vectors)
        for start in range(0, len(here), BLOCK):
            block = slice(start, start + BLOCK)
            cosines[block] = np.asarray(self._vectors[block if whole else here[block]], np.float32) @ query
        limit = min(limit, len(here))
        top = np.argpartition(-cosines, limit - 1)[:limit] if limit else np.empty(0, np.int64)
        top = top[np.lexsort((here[top], -cosines[top]))]
        return here[top].astype(np.int64), cosines[top]
