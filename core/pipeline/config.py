"""What a scan is asked to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import WinnowError, choices
from ..types import ColumnMap

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class ScanConfig:
    """One scan's options. Every field but ``source`` has a default that suits most data.

    Attributes
    ----------
    source
        a folder, a CSV, TSV, Parquet or JSON Lines file, a Hugging Face dataset saved on disk, or embeddings.
    encoder
        Name from ``winnow encoders``; None = the best that can be had here.
    embeddings, probabilities
        Files to be joined by id; they replace the encoder and the probe's probabilities.
    neighbors, label_neighbors
        k of the raw-cosine graph and of the half-whitened graph.
    learn
        Whether the decisions made so far teach the models (corrected labels, confirmed outliers).
    views
        Strongly augmented pictures of every image that are embedded too, for the naive verdict (0 = distort the
        embeddings instead; each view costs as much as the embedding).
    scores
        Numeric columns that are signals of their own, as ``COLUMN[:KIND][:low]``
        (:func:`winnow.core.detection.plugins.parse_score`).
    second_encoder
        Another encoder with a text tower, for a second opinion about image–text pairs.
    projection
        Draw the map (UMAP).
    network
        Whether weights may be downloaded.
    """

    source: str
    columns: ColumnMap = field(default_factory=ColumnMap)
    encoder: str | None = None
    embeddings: str | None = None
    probabilities: tuple[str, ...] = ()
    device: str = "auto"
    seed: int = 0
    neighbors: int = 30
    label_neighbors: int = 50
    projection: bool = True
    network: bool = True
    name: str | None = None
    learn: bool = False
    views: int = 0
    scores: tuple[str, ...] = ()
    second_encoder: str | None = None

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise WinnowError(f"Device {self.device!r} is not known. There are: {choices(DEVICES)}.")
        if not 0 <= self.views <= 16:
            raise WinnowError(f"views is {self.views}; it must lie between 0 and 16. Usual are 2 to 4.")
        for field_name in ("neighbors", "label_neighbors"):
            if getattr(self, field_name) < 1:
                raise WinnowError(f"{field_name} is {getattr(self, field_name)}; it must be at least 1.")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ScanConfig:
        fields = dict(data)
        fields["columns"] = ColumnMap(**(fields.get("columns") or {}))
        fields["probabilities"] = tuple(fields.get("probabilities") or ())
        fields["scores"] = tuple(fields.get("scores") or ())
        return cls(**fields)

    @classmethod
    def of(cls, source: str | Path, **options: Any) -> ScanConfig:
        """A config from loose options: paths may be ``Path``, one probabilities file may stand alone."""
        probabilities = options.pop("probabilities", None) or ()
        if isinstance(probabilities, (str, Path)):
            probabilities = (probabilities,)
        scores = options.pop("scores", None) or ()
        embeddings = options.pop("embeddings", None)
        return cls(
            source=str(Path(source).expanduser().absolute()),
            embeddings=str(Path(embeddings).expanduser().absolute()) if embeddings else None,
            probabilities=tuple(str(Path(p).expanduser().absolute()) for p in probabilities),
            scores=(scores,) if isinstance(scores, str) else tuple(scores),
            **options,
        )
