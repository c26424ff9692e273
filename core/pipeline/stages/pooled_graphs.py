"""Pool the neighbour graphs of several encoders (encoders/pooled/)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ... import fingerprint as fp
from ...detection.arithmetic import votes
from ...detection.probe.pool import encoder_shares
from ...features.neighbor_graphs import NAMES
from ...features.pooled_graphs import POOLED_VERSION, EncodedRows, pool_graphs
from ...storage.artifacts import save_array, save_json
from ...storage.scan_tables import load_graph
from ...types import Dataset, Neighbors
from ..run import Outputs, Run
from .embedding import Embedded, stage_of
from .neighbors import EncoderGraphs


@dataclass(frozen=True)
class PooledGraphs:
    """The graphs that stand for all encoders, and how much each encoder counts in them; shares sum to 1."""

    raw: Neighbors
    label: Neighbors
    shares: tuple[float, ...]


def run(scan: Run, dataset: Dataset, embedded: Sequence[Embedded], graphs: Sequence[EncoderGraphs]) -> PooledGraphs:
    """Pool both graphs of all encoders, each by its share; those of the encoder itself where there is one.

    ``dataset`` has the labels to learn the shares from.
    """
    if len(embedded) == 1:
        return PooledGraphs(graphs[0].raw, graphs[0].label, (1.0,))
    folder, labels = scan.layout.pooled, dataset.labels
    votes_of = [votes(g.label, labels, e.ok, dataset.n_classes) for e, g in zip(embedded, graphs, strict=True)]
    shares = encoder_shares(votes_of, labels, [e.ok & (labels >= 0) for e in embedded], scan.config.seed)

    def make() -> Outputs:
        info: dict[str, Any] = {"shares": shares}
        outputs = []
        for name in NAMES:
            rows = [
                # measuring every pair of wide raw rows again would cost more than the graphs themselves
                EncodedRows(getattr(g, name), e.ok, g.whitened if name == "label" else None, share)
                for e, g, share in zip(embedded, graphs, shares, strict=True)
            ]
            graph = pool_graphs(rows, scan.reporting("pooled_graphs"))
            for part, array in (("indices", graph.indices), ("distances", graph.distances)):
                outputs.append(folder / f"{name}_{part}.npy")
                save_array(outputs[-1], array)
            info[name] = {"metric": graph.metric, "recall": graph.recall, "method": graph.method}
        save_json(folder / "graphs.json", info)
        return [*outputs, folder / "graphs.json"], {}

    key = fp.of([scan.keys[stage_of("graphs", e.number)] for e in embedded], shares, POOLED_VERSION)
    scan.stage("pooled_graphs", key, make)
    return PooledGraphs(load_graph(folder, "raw"), load_graph(folder, "label"), tuple(shares))


def graph_key(scan: Run) -> str:
    """Fingerprint of the graphs that stand for all encoders."""
    return scan.keys.get("pooled_graphs", scan.keys["graphs"])
