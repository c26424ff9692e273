"""Find the neighbours of every sample, by raw cosine and in the half-whitened space (neighbors/, encoders/)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ... import fingerprint as fp
from ...data.media.boxes import picture_numbers
from ...features import encoders
from ...features.neighbor_graphs import NAMES, make_graphs
from ...features.neighbors import NEIGHBORS_VERSION, without_own_group
from ...storage.artifacts import load_array
from ...storage.scan_tables import load_graph
from ...types import Dataset, Float32, Int64, Neighbors
from ..run import Run
from .embedding import Embedded, stage_of


@dataclass(frozen=True)
class EncoderGraphs:
    """What was found among the embeddings of one encoder: both graphs, and the half-whitened rows (n, r)."""

    raw: Neighbors
    label: Neighbors
    whitened: Float32


def run(scan: Run, dataset: Dataset, embedded: Sequence[Embedded]) -> list[EncoderGraphs]:
    """Build both graphs of every encoder, or extend them where few rows are new; memory-mapped.

    Objects of one picture, which share light, lens and labeller, are no neighbours in the graph that votes on labels.
    """
    pictures = picture_numbers(dataset)
    return [_graphs(scan, of, pictures) for of in embedded]


def _graphs(scan: Run, of: Embedded, pictures: Int64 | None) -> EncoderGraphs:
    config, folder = scan.config, scan.layout.encoder(of.number).neighbors
    ks = (config.neighbors, config.label_neighbors)
    key = fp.of(of.embedding.fingerprint, *ks, config.seed, NEIGHBORS_VERSION)
    device = encoders.resolve_device(config.device)
    stage, searched = stage_of("graphs", of.number), of.number == 0
    scan.stage(
        stage,
        key,
        lambda: make_graphs(
            folder, of.embedding, ks, device, config.seed, of.row_match, scan.reporting(stage), searched
        ),
    )
    raw, label = (load_graph(folder, name) for name in NAMES)
    if pictures is not None:
        label = without_own_group(label, pictures)
    return EncoderGraphs(raw, label, load_array(folder / "whitened.npy"))
