"""Names of clusters: by the words of texts, by a text tower, by labels and metadata."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import towers
from winnow.core.features.cluster_names import by_labels, by_texts, by_words, load_names, word_list
from winnow.core.types import ColumnMap
from winnow.core.workspace import Workspace


def test_texts_name_a_cluster_by_what_others_do_not_say() -> None:
    texts = ["please freeze my card", "please block the card", "please play jazz", "please play a song", None]
    codes = np.array([0, 0, 1, 1, -1], np.int32)
    first, second = by_texts(codes, texts)
    assert first.words[0][0] == "card"
    assert second.words[0][0] == "play"
    assert first.how == "texts"
    # w = tf · log(1 + A/f) by hand: cluster 0 has card ×2, freeze, block and stop words
    counts = {"card": 2, "freeze": 1, "block": 1}
    total = sum(counts.values())
    mean = (total + sum({"play": 2, "jazz": 1, "song": 1}.values())) / 2
    if "please" not in dict(first.words):
        assert first.words[0][1] == pytest.approx(2 / total * np.log1p(mean / 2), abs=1e-5)
    assert by_texts(np.array([0, 0], np.int32), ["", None]) == []


def test_a_text_tower_names_a_cluster_seen_from_the_middle() -> None:
    e = np.eye(4)
    shared = np.array([0, 0, 0, 5.0])  # every picture lies near the last axis
    x = np.stack([e[0] + shared, e[0] + shared, e[1] + shared, e[2] + shared])
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    found = by_words(np.array([0, 0, 1, 2], np.int32), x, ["cat", "dog", "emu", "photo"], e.astype(np.float32))
    assert [f.words[0][0] for f in found] == ["cat", "dog", "emu"]
    assert by_words(np.full(4, -1, np.int32), x, ["cat", "dog"], e[:2].astype(np.float32)) == []


def test_labels_and_metadata_name_a_cluster_where_nothing_else_can() -> None:
    codes = np.repeat([0, 1], 10).astype(np.int32)
    labels = np.array([0] * 10 + [1, 2] * 5, np.int32)
    camera = ["old"] * 9 + ["new"] * 11
    first, second = by_labels(codes, labels, ["cat", "dog", "emu"], {"camera": camera})
    assert first.name == "cat (camera: old)"
    assert second.name.startswith("dog / emu")
    assert first.how == "labels"
    assert by_labels(codes, np.full(20, -1, np.int32), [], {"camera": camera})[0].name == "camera: old"


def test_the_word_list_is_of_classes_captions_and_metadata() -> None:
    words = word_list(["polar_bear"], ["a red car", "red night", None], {"place": ["Ulm", "Ulm", "Rome"]})
    assert {"polar bear", "red", "Ulm"} <= set(words)
    assert "Rome" not in words


def test_a_scan_names_its_clusters_at_two_levels(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    topics = {
        "tea": ["tea", "cup", "leaf", "milk"],
        "car": ["car", "road", "wheel", "fuel"],
        "sky": ["star", "moon", "sun", "night"],
    }
    lines = [
        {"id": f"t{i}", "text": " ".join(random.choice(topics[k], 5)) + " please", "label": k}
        for i, k in enumerate(list(topics) * 40)
    ]
    (tmp_path / "data.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    with Workspace.scan(tmp_path / "data.jsonl", tmp_path / "ws", encoder="tfidf") as ws:
        names = load_names(ws._layout)
        points = ws.points()
        for cluster in points.clusters:
            label = max(topics, key=lambda k: sum(w in cluster["name"] for w in topics[k]))
            inside = ws.labels()[np.array(ws._scan.verdicts.column("cluster").to_numpy()) == cluster["cluster"]]
            assert (inside == label).mean() > 0.9
        assert points.fine
        assert {c["name"] for c in points.fine} <= {c["name"] for c in names["fine"].values()}
        assert all(0 <= c["within"] < len(points.clusters) for c in points.fine)


def test_pictures_are_named_by_the_text_tower(tmp_path: Path) -> None:
    towers.install()
    table, _ = towers.make_pairs(tmp_path / "data", n=240, swaps=0)
    encoder = towers.save_checkpoint(tmp_path / "one.safetensors")
    columns = ColumnMap(image="image", text="caption")
    with Workspace.scan(table, tmp_path / "ws", encoder=encoder, columns=columns, network=False) as ws:
        names = load_names(ws._layout)["fine"]
        assert {c["how"] for c in names.values()} == {"words"}
        concept = {i: towers.WORDS[int(i[1:]) % 20] for i in ws.ids()}
        fine = np.array(ws._scan.verdicts.column("cluster_fine").to_numpy())
        right = sum(
            any(w == concept[i] for w, _ in names[c]["words"])
            for i, c in zip(ws.ids(), fine, strict=True)
            if c in names
        )
        assert right >= 0.8 * len(fine)
