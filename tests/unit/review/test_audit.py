"""The blind audit: what is drawn, what a card shows, and what the answers say, with intervals that hold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from winnow.core import Filter, Workspace
from winnow.core.cli import app
from winnow.core.errors import QueryError, WorkspaceError
from winnow.core.review.active_learning.audit_estimate import StratumCount, exact_interval, part_of, total

N, CLASSES = 600, 4
NAMES = ("ant", "bee", "cow", "dog")
WRONG = frozenset(np.random.default_rng(7).permutation(500)[:50].tolist())
"""Rows whose given label is wrong."""


def _truth(sample: str) -> str:
    return NAMES[int(sample[1:]) % CLASSES]


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts of four classes: of the first 500 a tenth has a wrong label, the last 100 have none."""
    folder = tmp_path_factory.mktemp("audit")
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(CLASSES, 24))[np.arange(N) % CLASSES] * 0.5 + rng.normal(size=(N, 24))
    ids = [f"s{i}" for i in range(N)]
    shift = np.array([rng.integers(1, CLASSES) if i in WRONG else 0 for i in range(N)])
    labels = [NAMES[(i + shift[i]) % CLASSES] if i < 500 else "" for i in range(N)]
    table = pd.DataFrame({"id": ids, "text": [f"request number {i}" for i in range(N)], "label": labels})
    table.to_csv(folder / "t.csv", index=False)
    pq.write_table(pa.table({"id": ids, "embedding": [v.tolist() for v in vectors]}), folder / "e.parquet")
    Workspace.scan(folder / "t.csv", folder / "ws", embeddings=str(folder / "e.parquet"), projection=False).close()
    return folder / "ws"


@pytest.fixture
def ws(scanned: Path, tmp_path: Path) -> Iterator[Workspace]:
    shutil.copytree(scanned, tmp_path / "ws")
    with Workspace.open(tmp_path / "ws", actor="ada") as workspace:
        yield workspace


def _judge(ws: Workspace, count: int | None = None) -> list[str]:
    """Answer by the truth, as the page does: keep the label that is shown, or another one."""
    plan = ws.audit.plan()
    assert plan is not None
    ids = ws.audit.next_ids(count)
    answers = []
    for card in ws.audit.cards(ws.cards(ids)):
        right = card["label"] == _truth(card["id"])
        answer = {"action": "accept"} if right else {"action": "relabel", "label": _truth(card["id"])}
        answers.append({"sample_id": card["id"], "audit": plan.audit_id, **answer})
    assert all(done["ok"] for done in ws.record(answers))
    return ids


def test_an_audit_draws_from_everything_that_nobody_has_looked_at(ws: Workspace) -> None:
    ws.decide("s0", "accept")
    ws.decide("s1", "relabel", label="dog")
    ws.labeller.accept(0.5, "ada", [f"s{i}" for i in range(500, 550)])
    propagated = ws.labeller.report()["propagated"]
    assert propagated > 30
    plan = ws.audit.draw(120, actor="ada", seed=1)
    sizes = {s.name: s.size for s in plan.strata}
    assert sizes["flagged"] + sizes["next in rank"] + sizes["rest"] == 500 - 2
    assert sizes["propagated"] == propagated
    assert sum(s.size for s in plan.strata if s.known is not None) == 2
    first = plan.samples[:40]
    assert {s.stratum for s in first} == {"flagged", "next in rank", "rest", "propagated"}, "any prefix has all parts"
    assert len({s.sample_id for s in plan.samples}) == len(plan.samples)
    assert not {"s0", "s1"} & {s.sample_id for s in plan.samples}
    again = ws.audit.draw(120, actor="ada", seed=1)
    assert again.samples == plan.samples
    assert again.audit_id != plan.audit_id


def test_a_card_of_the_audit_says_nothing_but_the_label_to_judge(ws: Workspace) -> None:
    ws.labeller.accept(0.5, "ada", [f"s{i}" for i in range(500, 600)])
    ws.audit.draw(40, actor="ada", seed=2)
    ids = ws.audit.next_ids()
    cards = ws.audit.cards(ws.cards(ids))
    assert [c["id"] for c in cards] == ids
    whole = ws.cards(ids)
    assert any(c["suggestions"] for c in whole)
    assert all(c["verdict"] for c in whole)
    for card in cards:
        shown = {k: v for k, v in card.items() if v not in (None, [], {}) and v is not True}
        assert set(shown) <= {"id", "row", "modality", "text", "width", "height", "label"}
    assert {bool(c["label"]) for c in cards} == {True}, "a propagated label looks like a given one"


def test_what_all_answers_say_is_the_truth_itself(ws: Workspace) -> None:
    ws.labeller.accept(0.5, "ada", [f"s{i}" for i in range(500, 600)])
    labels = ws.labels()
    ws.audit.draw(N, actor="ada", seed=3)
    _judge(ws)
    report = ws.audit.report()
    assert report is not None
    flagged = set(ws.ids(Filter(kinds=("noisy_label",))))
    wrong = {f"s{i}" for i in WRONG}
    for estimate, truth in (
        (report.noise_rate, 0.1),
        (report.precision, len(wrong & flagged) / len(flagged & {f"s{i}" for i in range(500)})),
        (report.recall, len(wrong & flagged) / len(wrong)),
    ):
        assert estimate is not None
        assert estimate.value == pytest.approx(truth)
        assert estimate.high - estimate.low < 0.002, "everything is known"
    spread = [f"s{i}" for i in range(500, 600) if labels[ws.row(f"s{i}")] is not None]
    errors = sum(labels[ws.row(i)] != _truth(i) for i in spread)
    assert report.propagated_error is not None
    assert report.propagated_error.value == pytest.approx(errors / len(spread))
    assert ws.audit.next_ids() == []


def test_answers_are_decisions_and_what_they_overrule_can_be_looked_at_again(ws: Workspace) -> None:
    ws.labeller.accept(0.5, "ada", [f"s{i}" for i in range(500, 600)])
    ws.audit.draw(60, actor="ada", seed=4)
    assert ws.audit.report().noise_rate is None, "nothing is stated before anything is answered"
    ids = _judge(ws)
    report = ws.audit.report()
    assert report.answered == 60
    labels = ws.labels()
    assert all(labels[ws.row(i)] == _truth(i) for i in ids), "kept propagated labels are a person's now"
    assert {a.overruled for a in report.appeals} <= {"flag", "no flag", "propagated label"}
    for appeal in report.appeals:
        assert (appeal.answer == appeal.shown) == (appeal.overruled == "flag")
    before = report.noise_rate
    again = ids[0]
    ws.decide(again, "relabel", label="a fifth class")
    assert ws.audit.report().noise_rate == before, "the blind answer counts, whatever is decided later"
    ws.undo()
    ws.undo()
    assert ws.audit.report().answered == 59, "an answer that was taken back does not"
    assert ws.audit.next_ids() == [ids[-1]]


def test_what_was_reviewed_one_by_one_needs_no_draw(ws: Workspace) -> None:
    flagged = ws.ids(Filter(kinds=("noisy_label",)))
    for sample in flagged:
        ws.decide(sample, "relabel", label=_truth(sample))
    ws.audit.draw(50, actor="ada", seed=5)
    _judge(ws)
    precision = ws.audit.report().precision
    truth = np.mean([int(i[1:]) in WRONG for i in flagged])
    assert (precision.low, precision.value, precision.high) == pytest.approx((truth, truth, truth))


def test_bad_audits_are_refused_in_words(ws: Workspace, tmp_path: Path) -> None:
    assert ws.audit.plan() is None
    assert ws.audit.report() is None
    assert ws.audit.next_ids() == []
    for size in (0, -3, True, 2.5):
        with pytest.raises(QueryError, match="size of an audit"):
            ws.audit.draw(size, actor="ada")
    plan = ws.audit.draw(20, actor="ada", seed=6)
    outside = next(i for i in (f"s{i}" for i in range(500, 600)))
    for item in ({"sample_id": outside, "audit": plan.audit_id}, {"sample_id": ids_of(plan)[0], "audit": "other"}):
        with pytest.raises(QueryError, match="did not draw"):
            ws.record([{**item, "action": "accept"}])
    file = ws.path / "audits" / f"{plan.audit_id}.json"
    file.write_text('{"format": 1}', encoding="utf-8")
    with pytest.raises(WorkspaceError, match="damaged"):
        ws.audit.plan()


def ids_of(plan: object) -> list[str]:
    return [s.sample_id for s in plan.samples]  # type: ignore[attr-defined]


def test_a_dataset_without_labels_has_nothing_to_audit(scanned: Path, tmp_path: Path) -> None:
    table = pd.read_csv(scanned.parent / "t.csv").drop(columns="label")
    table.to_csv(tmp_path / "bare.csv", index=False)
    embeddings = str(scanned.parent / "e.parquet")
    with Workspace.scan(tmp_path / "bare.csv", tmp_path / "w", embeddings=embeddings, projection=False) as bare:
        with pytest.raises(QueryError, match="no label to audit"):
            bare.audit.draw(actor="ada")
        for i in range(24):
            bare.decide(f"s{i}", "relabel", label=_truth(f"s{i}"))
        with pytest.raises(QueryError, match="no label to audit"):
            bare.audit.draw(actor="ada")
        assert bare.labeller.accept(0.3, "ada")[1].count > 20
        bare.audit.draw(40, actor="ada", seed=1)
        _judge(bare)
        report = bare.audit.report()
        assert (report.noise_rate, report.precision, report.recall) == (None, None, None)
        assert report.propagated_error.low <= report.propagated_error.value <= report.propagated_error.high
        assert report.label_error.value < report.propagated_error.value + 1e-9, "labels by hand are right"


def test_the_command_line_audits(ws: Workspace, tmp_path: Path) -> None:
    run, path = CliRunner(), str(ws.path)

    def call(*arguments: str) -> dict:
        result = run.invoke(app, ["label", path, "audit", *arguments, "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    refused = run.invoke(app, ["label", path, "audit"])
    assert "Draw one with --draw 200" in str(refused.exception)
    drawn = call("--draw", "60", "--out", str(tmp_path / "sheet.csv"))
    assert drawn["audit"]["size"] == 60
    sheet = pd.read_csv(tmp_path / "sheet.csv")
    assert list(sheet.columns) == ["id", "label"]
    assert len(sheet) == 60
    assert call("--next", "5")["next"] == sheet.id[:5].tolist()
    sheet.assign(label=[_truth(i) for i in sheet.id]).to_csv(tmp_path / "answers.csv", index=False)
    report = call("--from", str(tmp_path / "answers.csv"))["audit"]
    assert report["answered"] == 60
    assert report["noise_rate"]["low"] <= 0.1 <= report["noise_rate"]["high"]
    assert call("--from", str(tmp_path / "answers.csv"))["imported"]["recorded"] == 0
    said = run.invoke(app, ["label", path, "audit"]).output
    assert "60 of 60 judged" in said
    assert "Recall of the flag noisy label" in said
    assert run.invoke(app, ["label", path, "audits"]).exit_code != 0


# ── intervals ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_exact_interval_of_a_finite_set() -> None:
    assert exact_interval(10, 10, 4) == (4, 4)
    assert exact_interval(10, 0, 0) == (0, 10)
    low, high = exact_interval(10**6, 100, 10)
    assert (low / 10**6, high / 10**6) == pytest.approx((0.0490, 0.1762), abs=1e-4), "Clopper and Pearson's"
    assert exact_interval(1000, 80, 0)[0] == 0
    assert 0.02 < exact_interval(1000, 80, 0)[1] / 1000 < 0.045


def test_intervals_of_rate_and_recall_hold_in_93_of_100_draws() -> None:
    rng = np.random.default_rng(0)
    sizes, wrong, drawn = (900, 1800, 17_300), (700, 180, 90), (50, 70, 80)
    truth, held = sum(wrong), np.zeros(2)
    for _ in range(100):
        hits = [int(rng.hypergeometric(w, s - w, d)) for s, w, d in zip(sizes, wrong, drawn, strict=True)]
        strata = [StratumCount(s, d, h) for s, d, h in zip(sizes, drawn, hits, strict=True)]
        rate, recall = total(strata), part_of(strata[:1], strata[1:])
        assert recall is not None
        held += rate.low <= truth <= rate.high, recall.low <= wrong[0] / truth <= recall.high
    assert (held >= 93).all(), held


def test_a_ratio_of_nothing_is_not_stated() -> None:
    assert part_of([StratumCount(10, 10, 0)], [StratumCount(10, 10, 0)]) is None
    one_sided = part_of([StratumCount(100, 20, 10)], [StratumCount(1000, 50, 0)])
    assert one_sided is not None
    assert one_sided.value == 1.0
    assert one_sided.low < 0.7
