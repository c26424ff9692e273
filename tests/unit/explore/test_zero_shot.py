"""Zero-shot by class names: exact on a joint space of known geometry, and it runs with a randomly initialised CLIP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.helpers import towers
from winnow.core.cli import app
from winnow.core.errors import EncoderError, NotAllowed, QueryError
from winnow.core.features.encoders.base import unit_rows
from winnow.core.features.prompts import (
    Prompts,
    class_text_probs,
    default_prompts,
    mine_negatives,
    name_vectors,
    negative_share,
    sensitivity,
)
from winnow.core.storage.layout import Layout
from winnow.core.storage.scan_files import ScanFiles
from winnow.core.types import ColumnMap, Modality
from winnow.core.workspace import Workspace

WORDS = ("polar bear", "dog", "emu", "tree", "sea", "doglike")


def encode(texts: list[str]) -> Any:
    """Every word is an axis; "blurry" pulls towards the dog; "doglike" lies between a dog and an axis of its own."""
    out = np.zeros((len(texts), 6), np.float32)
    for i, text in enumerate(texts):
        for k, word in enumerate(WORDS):
            out[i, k] += float(word in text.replace("doglike", "DOG") if word != "doglike" else word in text)
        if "doglike" in text:
            out[i, 1] += 2.0
        if "blurry" in text:
            out[i, 1] += 3.0
    return out


ONE = Prompts(("a {}.",))


def test_probabilities_are_the_softmax_of_scaled_cosines() -> None:
    x = unit_rows(np.vstack([np.eye(6)[:3], [[1, 1, 0, 0, 0, 0]], np.zeros((1, 6))]))
    p = class_text_probs(encode, ["polar_bear", "dog", "emu"], x, Prompts(("a {}.",), scale=10.0))
    assert p.dtype == np.float32
    np.testing.assert_allclose(p[0], np.array([np.e**10, 1, 1]) / (np.e**10 + 2), atol=1e-6)
    np.testing.assert_allclose(p[3, :2], 0.5 - p[3, 2] / 2, atol=1e-6)
    np.testing.assert_allclose(p[4], 1 / 3, atol=1e-6)
    assert class_text_probs(encode, ["x", "dog"], x, Prompts(("a {}.",), {"x": "emu"}))[2].argmax() == 0, "edited words"


def test_templates_are_averaged_and_their_weight_is_shown() -> None:
    names, x = ["polar_bear", "dog", "emu"], np.eye(6, dtype=np.float32)[:3]
    prompts = Prompts(("a {}.", "the {}.", "a blurry {}."))
    mean = name_vectors(encode, names, prompts)
    by_hand = unit_rows(
        np.mean([unit_rows(encode([t.format(n.replace("_", " ")) for n in names])) for t in prompts.templates], axis=0)
    )
    np.testing.assert_allclose(mean, by_hand, atol=1e-6)
    fits, classes = sensitivity(encode, names, x, np.array([0, 1, 1], np.int32), prompts)
    assert [f.template for f in fits] == list(prompts.templates)
    assert fits[0].agrees == 1.0
    assert fits[0].right == pytest.approx(2 / 3)
    assert [(c.name, c.words, c.assigned) for c in classes] == [
        ("polar_bear", "polar bear", 1),
        ("dog", "dog", 1),
        ("emu", "emu", 1),
    ]
    assert [c.right for c in classes[:2]] == [1.0, 0.5]
    assert np.isnan(classes[2].right), "nothing has this label"
    each = [class_text_probs(encode, names, x, Prompts((t,)))[0, 0] for t in prompts.templates]
    assert classes[0].spread == pytest.approx(np.std(each), abs=1e-6)
    # blurry polar bears look like dogs: that template alone takes a sample between the two for a polar bear
    half, label = unit_rows(np.array([[0.5, 1, 0, 0, 0, 0]])), np.array([0], np.int32)
    _, classes = sensitivity(encode, names, half, label, Prompts(("a {}.", "the {}.", "one {}.", "a blurry {}.")))
    assert [(c.assigned, c.right) for c in classes[:2]] == [(0, 0.0), (1, pytest.approx(np.nan, nan_ok=True))]
    assert classes[1].turns == 1.0
    _, classes = sensitivity(encode, names, half, label, Prompts(("a {}.", "the {}.", "one {}.")))
    assert classes[1].turns == classes[1].spread == 0.0
    assert default_prompts(Modality.IMAGE).templates[0] == "a photo of a {}."


def test_negatives_are_mined_far_from_the_classes_and_the_winner_is_named() -> None:
    names = name_vectors(encode, ["polar bear", "dog"], ONE)
    assert mine_negatives(encode, names, ["tree", "doglike", "sea", "dog"], ONE) == ["tree", "sea"]
    x = np.eye(6, dtype=np.float32)[[1, 3, 4]]
    share, winner = negative_share(encode, names, ["sea", "tree"], x, ONE)
    np.testing.assert_allclose(share, [0, 1, 1], atol=1e-6)
    assert winner[1:].tolist() == [1, 0]
    half, _ = negative_share(encode, names[1:], ["tree"], unit_rows(np.array([[0, 1, 0, 1, 0, 0]])), ONE)
    assert half[0] == pytest.approx(0.5, abs=1e-5)


def test_ill_formed_prompts_are_refused_in_words() -> None:
    with pytest.raises(EncoderError, match=r"must hold \{\} once"):
        Prompts(("a photo",))
    with pytest.raises(EncoderError, match="no prompt template"):
        Prompts(())
    with pytest.raises(EncoderError, match="no class names"):
        class_text_probs(encode, [], np.eye(6), ONE)


# ── in a workspace ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Pictures of six concepts with labels, among them some tigers labelled as boats."""
    towers.install()
    folder = tmp_path_factory.mktemp("zero")
    table, _ = towers.make_pairs(folder / "data", n=300, swaps=0, labels=True)
    lines = table.read_text().splitlines()
    kept = [lines[0]]
    for line in lines[1:]:
        name = line.rpartition(",")[2]
        if name in towers.WORDS[:5]:
            kept.append(line)
        elif name == "tiger":
            kept.append(line.rpartition(",")[0] + ",boat")
    table.write_text("\n".join(kept))
    encoder = towers.save_checkpoint(folder / "one.safetensors")
    columns = ColumnMap(image="image", label="kind")
    return Workspace.scan(table, folder / "ws", encoder=encoder, columns=columns, projection=False, network=False)


def tigers(ws: Workspace) -> set[str]:
    return {i for i in ws.ids() if int(i[1:]) % len(towers.WORDS) == towers.WORDS.index("tiger")}


def test_class_names_join_the_label_signals(ws: Workspace) -> None:
    signals = {s.name: s for s in ws.signals()}
    assert signals["label_zero_shot"].ran
    assert signals["ood_zero_shot"].ran
    assert "class names" in ws.info().results["kinds"]["noisy_label"]["views"]


def test_a_new_class_that_a_person_types_is_scored_at_once(ws: Workspace) -> None:
    found = ws.zero_shot.new_class("tiger")
    assert set(found.ids) == tigers(ws)
    assert found.takes_from == {"boat": len(tigers(ws))}
    assert found.probability[0] > 0.9
    with pytest.raises(QueryError, match="needs a name"):
        ws.zero_shot.new_class("  ")


def test_a_persons_own_negatives_catch_outliers_and_join_the_next_scan(ws: Workspace) -> None:
    caught = ws.zero_shot.outliers(["tiger", "statue"])
    assert {i for i, _, _ in caught} == tigers(ws)
    assert {word for _, _, word in caught} == {"tiger"}
    ws.zero_shot.write(negatives=["tiger"], names={"boat": "a boat"}, actor=ws.actor)
    params = ws.info().manifest["params"]
    again = Workspace.scan(
        params["source"],
        ws.path,
        encoders=params["encoders"],
        columns=ColumnMap(image="image", label="kind"),
        projection=False,
        network=False,
    )
    worst = again.ids(sort="-ood_zero_shot")[: len(tigers(ws))]
    assert set(worst) == tigers(ws)
    assert again.zero_shot.prompts.negatives == ("tiger",)
    negative = again.zero_shot.by_words(again.row(worst[0])).negative
    assert "tiger" in negative
    assert again.cards([worst[0]])[0]["reason"].endswith(
        f"By its words it looks more like {negative!r} than like any class."
    )
    with pytest.raises(QueryError, match="no class 'ship'"):
        ws.zero_shot.write(names={"ship": "x"}, actor=ws.actor)


def test_the_winning_negatives_are_counted_and_told_of_a_sample(ws: Workspace) -> None:
    found = ws.zero_shot.negatives()
    assert all(not n.written for n in found) or {n.word for n in found if n.written} == {"tiger"}
    assert found == sorted(found, key=lambda n: (-n.won, not n.written, n.word))
    row = next(r for r, i in enumerate(ws.ids()) if ws.labels()[r] == "castle")
    result = ws.zero_shot.by_words(row)
    assert result.classes[0][0] == result.between == "castle"
    vectors, prompts = ScanFiles(Layout(ws.path)).vectors, ws.zero_shot.prompts
    all_rows = class_text_probs(ws.searcher.encode, ws.info().class_names, vectors, prompts)
    assert result.classes[0][1] == pytest.approx(all_rows[row].max(), abs=1e-6)


def test_the_command_line_shows_prompts_and_scores_a_new_class(ws: Workspace) -> None:
    def run(*args: str) -> Any:
        return CliRunner().invoke(app, ["prompts", str(ws.path), *args])

    found = json.loads(run("--new", "tiger", "--json").stdout)
    assert found["count"] == len(tigers(ws))
    said = json.loads(run("--words", "boat=a boat at sea", "--template", "a {}.", "--json").stdout)
    assert [t["template"] for t in said["templates"]] == ["a {}."]
    assert {c["name"]: c["words"] for c in said["classes"]}["boat"] == "a boat at sea"
    assert "agrees with all" in run().stdout
    assert "write CLASS=WORDS" in str(run("--words", "boat").exception)
    ws.zero_shot.write(templates=default_prompts(Modality.IMAGE).templates, names={"boat": ""}, actor=ws.actor)


def test_prompts_are_changed_by_whoever_may_change_classes(ws: Workspace) -> None:
    ws.roles.set("ann", "owner", "ann")
    ws.roles.set("bob", "reviewer", "ann")
    with Workspace.open(ws.path, actor="bob") as theirs, pytest.raises(NotAllowed):
        theirs.zero_shot.write(negatives=["x"], actor=theirs.actor)
    with Workspace.open(ws.path, actor="ann") as mine:
        assert mine.zero_shot.write(names={"boat": ""}, actor=mine.actor).names == {}, (
            "empty words give a class its name back"
        )


def test_labels_have_a_distance_by_what_they_mean(ws: Workspace) -> None:
    d = ws.zero_shot.label_distances()
    assert d.shape == (5, 5)
    np.testing.assert_allclose(np.diag(d), 0, atol=1e-5)
    np.testing.assert_allclose(d, d.T, atol=1e-6)
    for k in range(5):
        assert ws.zero_shot.frechet_label(np.eye(5, dtype=np.float32)[[k]])[0] == k
    near = np.argsort(d[0])[1:3]
    w = np.zeros((1, 5), np.float32)
    w[0, [0, *near]] = [0.34, 0.33, 0.33]
    by_hand = (d.astype(float) ** 2 @ w[0]).argmin()
    assert ws.zero_shot.frechet_label(w)[0] == by_hand


def test_captions_suggest_labels(ws: Workspace) -> None:
    texts = [f"the {towers.WORDS[int(i[1:]) % 20]} over there" for i in ws.ids()]
    best = [w for w, _, _ in ws.zero_shot.candidates(texts)]
    assert set(best[:6]) == {*towers.WORDS[:5], "tiger"}


def test_it_runs_with_a_randomly_initialised_clip(tmp_path: Path) -> None:
    import open_clip
    import torch
    from safetensors.torch import save_file

    config = {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    }
    (tmp_path / "winnow-pairs.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "winnow-pairs.json")
    torch.manual_seed(0)
    model = open_clip.create_model("winnow-pairs")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "clip.safetensors")
    table, _ = towers.make_pairs(tmp_path / "data", n=60, swaps=6, labels=True)
    columns = ColumnMap(image="image", text="caption", label="kind")
    with Workspace.scan(
        table,
        tmp_path / "ws",
        encoder=f"open_clip:winnow-pairs/{tmp_path / 'clip.safetensors'}",
        columns=columns,
        projection=False,
        network=False,
    ) as ws:
        ran = {s.name for s in ws.signals() if s.ran}
        assert {"label_zero_shot", "ood_zero_shot", "match_cosine", "match_neighbors", "match_consensus"} <= ran
        assert not {k for k in ws.info().failures if k in ("zero-shot", "captions")}
        assert len(ws.zero_shot.sensitivity()[0]) == 8
        assert len(ws.search(text="a red boat", limit=5)) == 5
