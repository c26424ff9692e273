"""The data that flows through Winnow: frozen dataclasses and protocols; numpy and the standard library only.

One polarity everywhere: **1 = suspicious**. A sample's identity is its ``sample_id``, never its row number; row
numbers are used only inside one scan, where every array has the row order of :class:`Dataset`.

Shapes: n samples, d embedding dimensions, k neighbours, C classes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]
Strings = NDArray[np.object_]

T = TypeVar("T")

NO_LABEL = -1
"""The label of a sample that has none."""


class Modality(StrEnum):
    """What a sample is."""

    IMAGE = "image"
    TEXT = "text"
    PAIR = "pair"
    VECTOR = "vector"
    """Only embeddings were given: there is nothing to show but the metadata."""


WORD = re.compile(r"\w+")
"""A word: letters, digits and underscores. The browser finds words by the same rule."""


class Kind(StrEnum):
    """The verdicts, in order of precedence: a sample's primary verdict is the first kind whose flag is set."""

    BROKEN = "broken"
    DUPLICATE = "duplicate"
    OOD = "ood"
    NOISY_LABEL = "noisy_label"
    HARD = "hard"
    NAIVE = "naive"
    CLEAN = "clean"


ISSUE_KINDS: tuple[Kind, ...] = tuple(k for k in Kind if k is not Kind.CLEAN)
"""Every kind that has its own flag and its own probability column."""

PROBLEMS: tuple[Kind, ...] = (Kind.NOISY_LABEL, Kind.OOD, Kind.DUPLICATE, Kind.BROKEN)
"""The verdicts that ask a person for a decision. Hard, naive and clean samples ask for none."""


class Action(StrEnum):
    """What a person decides about a sample; UNDO takes back an earlier decision."""

    ACCEPT = "accept"
    RELABEL = "relabel"
    EXCLUDE = "exclude"
    UNDO = "undo"


@dataclass(frozen=True)
class ColumnMap:
    """Which column of a table holds what; None = recognised by its usual names, or absent.

    Attributes
    ----------
    id
        Unique name of the sample.
    image
        Image bytes, or paths of image files.
    text
        The text of the sample, or the caption of its image.
    label
        The given class.
    split
        Train, validation, test and the like.
    source
        Where the sample comes from.
    tags
        Where the tags are (several labels a sample): a column of lists, JSON or delimited text (``COLUMN`` or
        ``COLUMN:SEPARATOR``), or one column of yes and no a tag (``a,b,c``, or ``prefix*``).
    """

    id: str | None = None
    image: str | None = None
    text: str | None = None
    label: str | None = None
    split: str | None = None
    source: str | None = None
    tags: str | None = field(default=None, metadata={"fingerprint": "where set"})


@dataclass(frozen=True)
class MediaRef:
    """Where the images of a dataset are: enough for a worker process to read row i again.

    Attributes
    ----------
    kind
        "files" (``Dataset.uris`` are paths relative to ``root``), "parquet" (image bytes in ``column`` of the Parquet
        file ``root``), "arrow" (a Hugging Face dataset saved at ``root``) or "none".
    root
        Absolute path of a folder or file.
    column
        Name of the column of image bytes, "" for files.
    options
        Plain values; "identity" changes when the source was changed.
    """

    kind: str = "none"
    root: str = ""
    column: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TagForm:
    """How the tags stand in the source, so that an export can write them in the same form.

    Attributes
    ----------
    kind
        "list" (a column of lists), "json" (a column of JSON), "delimited" (texts with a separator), "struct" (a column
        with a field of yes and no a tag) or "columns" (a column of yes and no a tag).
    columns
        The column; of "columns" one for each tag, in order of the tags.
    separator
        Of "delimited".
    prefix
        What the names of the columns have before the tag, for "columns".
    coded
        Whether the numbers of a "list" are places among the tags (a list of ClassLabel).
    """

    kind: str
    columns: tuple[str, ...]
    separator: str = ""
    prefix: str = ""
    coded: bool = False


@dataclass(frozen=True)
class Tags:
    """Several labels a sample.

    Attributes
    ----------
    given
        (n, T) bool, :class:`scipy.sparse.csr_array`: whether a sample carries a tag.
    annotated
        (n, T) bool, likewise: whether somebody looked; None = every pair. What is not annotated is neither carried nor
        known to be absent.
    names
        (T,) the tags.
    form
        How they stand in the source.
    """

    given: Any
    annotated: Any
    names: tuple[str, ...]
    form: TagForm


@dataclass(frozen=True)
class Dataset:
    """One labelled (or unlabelled) dataset, without its pixels.

    Attributes
    ----------
    dataset_id
        Stable name of the source: fingerprint of its path and columns.
    name
        What people call it: the file's or folder's name.
    sample_ids
        (n,) str objects, unique. The named id column; a folder's relative path; else the content hash with an
        occurrence number.
    content_hash
        (n,) str objects: fingerprint of the sample's bytes or text, "" where unreadable or unknown.
    labels
        (n,) int32 codes into ``class_names``; NO_LABEL (−1) = none.
    class_names
        (C,) names, in order of the label codes.
    modality
        What a sample is.
    media
        Where the images are.
    fingerprint
        Of ids, content, labels, splits and mapping.
    columns
        Which column was read as what.
    uris
        (n,) str objects or None: path of each image relative to ``media.root``.
    texts
        (n,) str objects or None.
    split, source
        (n,) str objects ("" = none) or None.
    metadata
        Arrow table with n rows: **all** original columns but image bytes, in the original order.
    load_errors
        Row → reason, for rows that could not be read from the source.
    notices
        Sentences for the person: what was recognised, what is odd.
    tags
        Several labels a sample, or None.
    """

    dataset_id: str
    name: str
    sample_ids: Strings
    content_hash: Strings
    labels: Int32
    class_names: tuple[str, ...]
    modality: Modality
    media: MediaRef
    fingerprint: str
    columns: ColumnMap = field(default_factory=ColumnMap)
    uris: Strings | None = None
    texts: Strings | None = None
    split: Strings | None = None
    source: Strings | None = None
    metadata: Any = None
    load_errors: Mapping[int, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    tags: Tags | None = None

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.sample_ids)

    @property
    def n_classes(self) -> int:
        """Number of classes, C."""
        return len(self.class_names)


@dataclass(frozen=True)
class EncoderSpec:
    """What computed an embedding: enough to know whether two embeddings can be compared.

    Attributes
    ----------
    name
        Family and model, "open_clip:ViT-B-32".
    revision
        Which weights: a hash or a tag.
    preprocessing
        How inputs are prepared: resizing, cropping, tokenising.
    dim
        Length of a vector, d.
    modality
        What it embeds.
    precision
        In which floating-point format it computes.
    has_text_tower
        Whether it embeds texts in the same space as images.
    """

    name: str
    revision: str
    preprocessing: str
    dim: int
    modality: Modality
    precision: str = "float32"
    has_text_tower: bool = False


@dataclass(frozen=True)
class EmbeddingSet:
    """The embeddings of one dataset by one encoder.

    Attributes
    ----------
    vectors
        (n, d) float16 or float32, often memory-mapped; unit rows where ``ok``, zeros elsewhere.
    ok
        (n,) bool, whether the sample could be embedded.
    spec
        The encoder.
    dataset_fingerprint
        Of the dataset that was embedded.
    fingerprint
        Of the embeddings: dataset content and encoder.
    """

    vectors: NDArray[Any]
    ok: Bool
    spec: EncoderSpec
    dataset_fingerprint: str
    fingerprint: str


@dataclass(frozen=True)
class Neighbors:
    """The k nearest other samples of every sample.

    Attributes
    ----------
    indices
        (n, k) int32, without self; −1 where there are fewer than k (or the row is not ok).
    distances
        (n, k) float32, ascending; +inf where the index is −1. Cosine distance 1 − cos, in [0, 2].
    metric
        Always "cosine".
    recall
        1.0 when exact, else recall@k in [0, 1], measured on a sample of rows against exact search.
    method
        How they were searched: "exact", or the name of the approximate method.
    """

    indices: Int32
    distances: Float32
    metric: str = "cosine"
    recall: float = 1.0
    method: str = "exact"

    @property
    def k(self) -> int:
        """Number of neighbours of a sample."""
        return int(self.indices.shape[1])

    def typical_distance(self, usable: Bool) -> float:
        """Median distance of the usable samples to their tenth (or last) neighbour, > 0: what "near" means here."""
        if self.k == 0:
            return 1.0
        d = self.distances[usable, min(10, self.k) - 1]
        d = d[np.isfinite(d)]
        if len(d) == 0:
            d = self.distances[np.isfinite(self.distances)]
        return max(float(np.median(d)), 1e-6) if len(d) else 1.0


@dataclass(frozen=True)
class Clusters:
    """The clusters of the neighbour graph at two levels; each fine cluster lies in one coarse cluster.

    Attributes
    ----------
    coarse, fine
        (n,) int32, numbered from the largest; −1 = none (the row is not ok).
    """

    coarse: Int32
    fine: Int32


@dataclass(frozen=True)
class Beliefs:
    """What the probe run believed, out of sample.

    Attributes
    ----------
    probs
        (n, C) float32, rows sum to 1: mean out-of-fold probabilities, temperature-calibrated. Samples without a label
        have the mean over all folds (none trained on them).
    dynamics
        Name → (n,) float32, NaN for rows that are unlabelled or not ok: "el2n", "aum", "forgetting",
        "mean_true" (mean probability of the given label over epochs), "spread_true" (its standard deviation),
        "correctness", "loss_history", ...
    targets
        (n, C) float32 or None: the temporal-ensemble target of early-learning regularisation (ELR).
    extra_probs
        Name → (n, C) float32: further probabilities, given by the person or of robust losses.
    temperature
        The calibration temperature that the logits were divided by (> 0).
    source
        "probe", or where given probabilities come from.
    weights
        Name → weight, where ``probs`` are the consensus of several models or label views; empty = of one.
    clean
        (n, C) float32, rows sum to 1: beliefs about the true class, where ``probs`` are those about the given label and
        labels are noisy; None = not estimated.
    """

    probs: Float32
    dynamics: Mapping[str, Float32] = field(default_factory=dict)
    targets: Float32 | None = None
    extra_probs: Mapping[str, Float32] = field(default_factory=dict)
    temperature: float = 1.0
    source: str = "probe"
    weights: Mapping[str, float] = field(default_factory=dict)
    clean: Float32 | None = None


@dataclass(frozen=True)
class MediaFeatures:
    """What one decoding pass over the images measured.

    Attributes
    ----------
    error
        (n,) str objects: why an image could not be decoded, "" = decoded.
    width, height
        (n,) int32 in pixels, 0 where not decoded.
    file_hash, pixel_hash
        (n,) uint64 of the raw bytes and of the decoded RGB pixels (0 = none).
    perceptual_hash
        (n,) uint64, 64-bit DCT hash (0 = none).
    tiny
        (n, 32·32·3) uint8 or None: RGB thumbnails for pixel correlation.
    properties
        Name → (n,) float32 (NaN where not decoded): cleanvision's "brightness_99", "brightness_5", "entropy",
        "blurriness", "aspect_ratio", "size", "grayscale" (1 = grayscale), ...
    """

    error: Strings
    width: Int32
    height: Int32
    file_hash: NDArray[np.uint64]
    pixel_hash: NDArray[np.uint64]
    perceptual_hash: NDArray[np.uint64]
    tiny: NDArray[np.uint8] | None = None
    properties: Mapping[str, Float32] = field(default_factory=dict)


class Input(StrEnum):
    """What a signal can require. A signal whose inputs are absent is skipped, with the reason shown."""

    VECTORS = "vectors"
    LABELS = "labels"
    NEIGHBORS = "neighbors"
    LABEL_NEIGHBORS = "label_neighbors"
    BELIEFS = "beliefs"
    MEDIA = "media"
    TEXTS = "texts"
    SPLIT = "split"
    TEXT_TOWER = "text_tower"
    CAPTIONS = "text_vectors"
    CAPTION_NEIGHBORS = "text_neighbors"
    NEGATIVES = "negatives"
    BOXES = "boxes"


@dataclass(frozen=True)
class Negatives:
    """How near each sample is to descriptions of what the dataset is not about.

    Attributes
    ----------
    names
        The descriptions.
    share
        (n,) float32 in [0, 1], the zero-shot probability that falls on ``names``.
    winner
        (n,) int32 index of the nearest of ``names``.
    """

    names: tuple[str, ...]
    share: Float32
    winner: Int32


@dataclass(frozen=True)
class SecondMatch:
    """How well the images and texts of pairs match by a second encoder.

    Attributes
    ----------
    cosine
        (n,) float32 in [−1, 1] between a sample's image and its text, NaN = unknown.
    null
        (m,) float32, the same of images with the texts of other samples.
    """

    cosine: Float32
    null: Float32


class ResultCache:
    """Intermediate results that several signals share; each is computed once. A copy of a cache starts empty."""

    def __init__(self) -> None:
        self._results: dict[str, Future[Any]] = {}

    def get(self, name: str, compute: Callable[[], T]) -> T:
        """``compute()``, or the result that is stored under ``name``; a second thread waits for the first one's."""
        new: Future[T] = Future()
        result: Future[T] = self._results.setdefault(name, new)
        if result is new:
            try:
                new.set_result(compute())
            except BaseException as error:
                new.set_exception(error)
                raise
        return result.result()

    def __reduce__(self) -> tuple[type[ResultCache], tuple[()]]:
        return ResultCache, ()


@dataclass(frozen=True)
class EncoderInputs:
    """What one of several encoders made of the samples.

    Attributes
    ----------
    ok, vectors, whitened, neighbors, label_neighbors
        As in :class:`SignalInputs`, of this encoder alone.
    share
        How much it counts beside the others, in (0, 1]; all shares sum to 1.
    """

    ok: Bool
    vectors: Float32
    whitened: Float32
    neighbors: Neighbors
    label_neighbors: Neighbors
    share: float


@dataclass(frozen=True)
class SignalInputs:
    """All that a signal may look at: arrays in one row order. Absent inputs are None.

    Attributes
    ----------
    n
        Number of samples.
    ok
        (n,) bool, whether a sample is embedded (by any encoder).
    labels
        (n,) int32 codes into ``class_names``, −1 = none.
    class_names
        (C,) names, in order of the codes.
    modality
        What a sample is.
    vectors
        (n, d) float32 unit rows (zeros where not ok): raw, uncentred; of the first encoder.
    whitened
        (n, r) float32 unit rows: half-whitened PCA (divided by λ^¼), the space of ``label_neighbors``.
    neighbors
        Graph on the raw cosine distance; of all encoders together, where there are several.
    label_neighbors
        Graph on ``whitened``; likewise.
    beliefs
        Of the probe run.
    media
        What was measured on the images.
    texts
        (n,) str objects.
    split
        (n,) int32 codes into ``split_names``, −1 = none.
    split_names
        Names of the splits, in order of the codes.
    class_text_probs
        (n, C) float32 zero-shot probabilities from the class names, where the encoder has a text tower.
    negatives
        How near each sample is to descriptions of what the dataset is not about.
    text_vectors
        (n, d) float32 unit rows of the captions of image–text pairs, in the space of ``vectors``.
    text_neighbors
        Graph on ``text_vectors``.
    second_match
        How well image and text match by a second encoder.
    boxes
        (n, 4) float32 x, y, width and height in pixels of samples that are objects in pictures, NaN = no box.
    pictures
        (n,) int64, the same number for objects of one picture.
    encoders
        What each of several encoders made of the samples, the first's first; empty where there is one.
    config
        Plain values, such as ``confirmed_ood`` and ``confirmed_in``: the rows that people confirmed as out of
        distribution, or as belonging to the dataset.
    cache
        Fits that signals share; ``replace`` gives the changed inputs an empty one.
    """

    n: int
    ok: Bool
    labels: Int32
    class_names: tuple[str, ...]
    modality: Modality = Modality.VECTOR
    vectors: Float32 | None = None
    whitened: Float32 | None = None
    neighbors: Neighbors | None = None
    label_neighbors: Neighbors | None = None
    beliefs: Beliefs | None = None
    media: MediaFeatures | None = None
    texts: Strings | None = None
    split: Int32 | None = None
    split_names: tuple[str, ...] = ()
    class_text_probs: Float32 | None = None
    negatives: Negatives | None = None
    text_vectors: Float32 | None = None
    text_neighbors: Neighbors | None = None
    second_match: SecondMatch | None = None
    boxes: Float32 | None = None
    pictures: Int64 | None = None
    encoders: tuple[EncoderInputs, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    cache: ResultCache = field(default_factory=ResultCache, init=False, repr=False, compare=False)

    @property
    def n_classes(self) -> int:
        """Number of classes, C."""
        return len(self.class_names)

    def by_encoder(self) -> tuple[SignalInputs, ...]:
        """What each encoder alone sees, with a cache of its own; made once."""

        def make() -> tuple[SignalInputs, ...]:
            own = [f.name for f in fields(EncoderInputs) if f.name != "share"]
            return tuple(replace(self, **{k: getattr(e, k) for k in own}, encoders=()) for e in self.encoders)

        return self.cache.get("by encoder", make) if self.encoders else (self,)

    @property
    def labelled(self) -> Bool:
        """(n,) bool: readable and labelled."""
        return self.ok & (self.labels >= 0)

    def has(self, need: Input) -> bool:
        """Whether an input is there (LABELS: at least one labelled row and two classes)."""
        if need is Input.LABELS:
            return bool(self.labelled.any()) and self.n_classes >= 2
        if need is Input.TEXT_TOWER:
            return self.class_text_probs is not None
        return getattr(self, need.value) is not None


@dataclass(frozen=True)
class SignalResult:
    """What one signal says about every sample.

    Attributes
    ----------
    score
        (n,) float32 in [0, 1], 1 = suspicious, NaN = not scored.
    suggestion
        (n,) int32 label codes (−1 = none), or None.
    partner
        (n,) int32 row of the sample that explains the score (a duplicate's twin; −1 = none), or None.
    reasons
        (n,) str objects or None, for signals that can say more than their score.
    info
        Plain values for the manifest.
    """

    score: Float32
    suggestion: Int32 | None = None
    partner: Int32 | None = None
    reasons: Strings | None = None
    info: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Signal(Protocol):
    """One method that scores what may be wrong. Stateless, pure, deterministic, equivariant to row order.

    Attributes
    ----------
    name
        Snake case, prefixed by its family ("label_knn").
    version
        Raised when the numbers change.
    kind
        The verdict that it is evidence for.
    title
        Plain name for people.
    explain
        One line for people.
    requires
        The inputs without which it is skipped.

    Notes
    -----
    A signal may have two further attributes (bool). ``leads``: other signals wait for a fit that it computes, so it
    starts first. ``reads_vectors``: of several encoders, it is run for each, as is every signal that requires vectors.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    kind: ClassVar[Kind]
    title: ClassVar[str]
    explain: ClassVar[str]
    requires: ClassVar[frozenset[Input]]

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score every sample."""


@dataclass(frozen=True)
class SignalMeta:
    """One signal as shown to people.

    Attributes
    ----------
    name, kind, title, explain
        As in :class:`Signal`.
    ran
        Whether it ran in this scan.
    why_not
        Why it did not run, "" where it did.
    """

    name: str
    kind: str
    title: str
    explain: str
    ran: bool
    why_not: str = ""


@dataclass(frozen=True)
class KindEvidence:
    """How likely every sample is of one kind, from all signals of that kind.

    Attributes
    ----------
    kind
        The kind.
    probability
        (n,) float32 in [0, 1], never NaN (0 = surely not).
    flag
        (n,) bool, whether the sample counts as one.
    reasons
        (n,) str objects: one sentence with its numbers, "" where there is nothing to say.
    partner
        (n,) int32 row of a duplicate's keeper (−1 = none, or the sample is the keeper), or None.
    group
        (n,) int32 number of the duplicate group (−1 = none), or None.
    info
        Plain values: threshold, estimated rate, which signals took part.
    """

    kind: Kind
    probability: Float32
    flag: Bool
    reasons: Strings
    partner: Int32 | None = None
    group: Int32 | None = None
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdicts:
    """The verdict on every sample, and what it rests on.

    Attributes
    ----------
    primary
        (n,) str objects: the value of the first Kind whose flag is set.
    confidence
        (n,) float32 in [0, 1].
    reasons
        (n,) str objects: why, in sentences with their numbers.
    evidence
        Kind → KindEvidence, for all of ISSUE_KINDS.
    suggested
        (n, m ≤ 5) int32 label codes by descending probability without the given label, −1 = none.
    suggested_prob
        (n, m) float32 probabilities of ``suggested``.
    """

    primary: Strings
    confidence: Float32
    reasons: Strings
    evidence: Mapping[Kind, KindEvidence]
    suggested: Int32
    suggested_prob: Float32


@dataclass(frozen=True)
class Decision:
    """One row of the append-only log.

    Attributes
    ----------
    seq
        Number of the row, from 1.
    decision_id
        Minted by the caller, so that a repeated key press is a no-op.
    sample_id
        The sample that it is about.
    action
        What was decided.
    label
        The new label of a RELABEL, else None; also None where it changes the tags alone.
    supersedes
        The row that this person had made about this sample before; None = the first.
    actor
        Who decided.
    at
        When: UTC, ISO 8601 with milliseconds.
    reason
        The person's own words, if any.
    batch_id
        Groups a bulk verdict, which one undo takes back.
    evidence
        Plain values: what the scan said of the sample at that time.
    tags
        The final tags of a RELABEL that changes them, in their order; None = the tags stay as they were given.
    """

    seq: int
    decision_id: str
    sample_id: str
    action: Action
    label: str | None
    supersedes: str | None
    actor: str
    at: str
    reason: str | None = None
    batch_id: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Progress:
    """How far a running stage is.

    Attributes
    ----------
    stage
        Name of the stage.
    done, total
        Counts in ``unit``; total 0 = unknown.
    unit
        What is counted.
    message
        What is being done, for a person.
    """

    stage: str
    done: int = 0
    total: int = 0
    unit: str = "samples"
    message: str = ""


ProgressFn = Callable[[Progress], None]
"""Called often and cheaply. It may raise :class:`winnow.core.errors.Cancelled`."""


def quiet(_: Progress) -> None:
    """A progress function that says nothing."""
