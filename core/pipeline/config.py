"""The options of a scan."""

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
        A folder, a CSV, TSV, Parquet or JSON Lines file, a Hugging Face dataset saved on disk, or embeddings.
    columns
        Which column holds what.
    encoders
        Names from ``winnow encoders``, each an encoder of its own. None, and no ``embeddings``: the best one that can
        be had on this machine. The first answers searches and draws the map; all of them judge the samples. "best"
        stands for the strongest pair that can be had.
    embeddings
        Files with precomputed embeddings, joined by id; each counts as one more encoder, after the ``encoders``.
    probabilities
        Files that are joined by id; they replace the probe's probabilities.
    device
        "auto", "cpu" or "cuda".
    seed
        Seeds every random draw.
    neighbors, label_neighbors
        k of the raw-cosine graph and of the half-whitened graph, at least 1.
    projection
        Draw the map (UMAP).
    network
        Whether weights may be downloaded.
    name
        Title of the workspace; None = the name of the source.
    learn
        Whether the models learn from the decisions made so far (corrected labels, confirmed outliers).
    views
        Strongly augmented copies of every image that are embedded too, for the naive verdict, 0 to 16 (0 = distort
        the embeddings instead; each view costs as much as the embedding).
    scores
        Numeric columns that are signals of their own, as ``COLUMN[:KIND][:low]``
        (:func:`winnow.core.detection.plugins.parse_score`).
    second_encoder
        Another encoder with a text tower, for a second opinion about image–text pairs.
    """

    source: str
    columns: ColumnMap = field(default_factory=ColumnMap)
    encoders: tuple[str, ...] = ()
    embeddings: tuple[str, ...] = ()
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
            raise WinnowError(f"views is {self.views}; it must lie between 0 and 16. 2 to 4 are usual.")
        for option, values in (("--encoder", self.encoders), ("--embeddings", self.embeddings)):
            if len(set(values)) < len(values):
                twice = next(v for v in values if values.count(v) > 1)
                raise WinnowError(f"{option} names {twice!r} twice; an encoder counts once. Leave one of them out.")
        for field_name in ("neighbors", "label_neighbors"):
            if getattr(self, field_name) < 1:
                raise WinnowError(f"{field_name} is {getattr(self, field_name)}; it must be at least 1.")

    def to_json(self) -> dict[str, Any]:
        """Return the options as plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ScanConfig:
        """Restore a config from :meth:`to_json`; of earlier releases too, which had one encoder or one file."""
        fields = dict(data)
        fields["columns"] = ColumnMap(**(fields.get("columns") or {}))
        fields["encoders"] = _names(fields.get("encoders"), fields.pop("encoder", None))
        for name in ("embeddings", "probabilities", "scores"):
            fields[name] = _names(fields.get(name))
        return cls(**fields)

    @classmethod
    def of(cls, source: str | Path, **options: Any) -> ScanConfig:
        """Make a config from the options of a call: paths may be ``Path``, and a single name or path needs no list.

        ``encoder="NAME"`` is the same as ``encoders=["NAME"]``.
        """
        encoders = _names(options.pop("encoders", None), options.pop("encoder", None))
        return cls(
            source=str(Path(source).expanduser().absolute()),
            encoders=encoders,
            embeddings=_paths(options.pop("embeddings", None)),
            probabilities=_paths(options.pop("probabilities", None)),
            scores=_names(options.pop("scores", None)),
            **options,
        )


def _names(*given: Any) -> tuple[str, ...]:
    """Join what an option was given as: nothing, one value, or several."""
    several = ([v] if isinstance(v, (str, Path)) else v or () for v in given)
    return tuple(str(value) for values in several for value in values)


def _paths(given: Any) -> tuple[str, ...]:
    """As :func:`_names`, as absolute paths."""
    return tuple(str(Path(path).expanduser().absolute()) for path in _names(given))
