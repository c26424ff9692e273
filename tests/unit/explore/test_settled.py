"""A sample that people have decided about is settled: what is counted as noisy is what is left to review."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from winnow.core.explore.filter import Filter
from winnow.core.types import Kind
from winnow.core.workspace import Workspace

ROUNDS = 25


@pytest.fixture
def ws(scanned: Path, tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(Path(shutil.copytree(scanned, tmp_path / "ws")), actor="ada") as opened:
        yield opened


def decide(ws: Workspace) -> dict[str, list[str]]:
    noisy = ws.ids(Filter(verdicts=("noisy_label",)), "-noisy_label")
    fine = ws.ids(Filter(verdicts=("clean",)))
    decided = {"noisy": noisy[:2], "clean": fine[:2], "disputed": fine[2:3]}
    for sample in [*decided["noisy"], *decided["clean"]]:
        ws.decide(sample, "accept")
    ws.decide(decided["disputed"][0], "accept", actor="ada")
    ws.decide(decided["disputed"][0], "exclude", actor="grace")
    return decided


def test_decided_samples_leave_the_counts_of_their_verdicts(ws: Workspace) -> None:
    before, decided = ws.counts(), decide(ws)
    after = ws.counts()
    assert after.by_verdict.get("noisy_label", 0) == before.by_verdict["noisy_label"] - 2
    assert (after.by_verdict["settled"], after.by_verdict["disputed"]) == (4, 1)
    assert sum(after.by_verdict.values()) == after.matching == before.matching
    assert set(ws.ids(Filter(verdicts=("settled",)))) == {*decided["noisy"], *decided["clean"]}
    assert ws.ids(Filter(verdicts=("disputed",))) == decided["disputed"]
    assert not {*decided["noisy"], *decided["disputed"]} & set(ws.ids(Filter(verdicts=("noisy_label",))))


def test_who_asks_for_a_state_of_decision_gets_the_verdicts_of_the_scan(ws: Workspace) -> None:
    decided = decide(ws)
    assert set(ws.ids(Filter(verdicts=("noisy_label",), state="accept"))) == set(decided["noisy"])
    counts = ws.counts(Filter(state="decided")).by_verdict
    assert counts == {"clean": 3, "noisy_label": 2}


def test_undo_opens_a_sample_again(ws: Workspace) -> None:
    before = ws.counts().by_verdict
    decision = ws.decide(ws.ids(Filter(verdicts=("noisy_label",)))[0], "exclude")
    assert ws.counts().by_verdict != before
    ws.undo(decision_id=decision.decision_id)
    assert ws.counts().by_verdict == before


def test_a_relabelled_sample_is_no_noise_of_its_new_class(ws: Workspace) -> None:
    noisy = ws.ids(Filter(verdicts=("noisy_label",)), "-noisy_label")[:2]
    for sample in noisy:
        ws.decide(sample, "relabel", label="a new class")
    new = ws.counts(Filter(classes=("a new class",)))
    assert (new.matching, new.by_verdict) == (2, {"settled": 2})


def random_filters(ws: Workspace) -> list[Filter]:
    rng = np.random.default_rng(5)
    counts = ws.counts()
    states = ["any", "any", "undecided", "decided", "accept", "disputed"]
    out = []
    for _ in range(ROUNDS):
        some = {
            "classes": tuple(rng.choice([*counts.by_class], 2)) if rng.random() < 0.4 else (),
            "clusters": tuple(int(c) for c in rng.choice([*counts.by_cluster], 2)) if rng.random() < 0.3 else (),
            "verdicts": tuple(rng.choice([*counts.by_verdict], 2)) if rng.random() < 0.3 else (),
            "kinds": ("noisy_label",) if rng.random() < 0.1 else (),
            "scores": {"hard": (0.2, None)} if rng.random() < 0.2 else {},
            "state": str(rng.choice(states)),
            "strict": 0.2 if rng.random() < 0.1 else None,
        }
        out.append(Filter(**some))
    return out


def test_every_count_is_the_number_of_samples_that_its_link_opens(ws: Workspace) -> None:
    decide(ws)
    for flt in random_filters(ws):
        counts = ws.counts(flt)
        assert counts.matching == len(ws.ids(flt))
        assert sum(counts.by_verdict.values()) == counts.matching
        assert dict(ws.groups(flt, "verdict")) == counts.by_verdict
        if flt.strict is None:
            for verdict, n in counts.by_verdict.items():
                assert ws.counts(replace(flt, verdicts=(verdict,))).matching == n, (flt, verdict)
            cells = ws.confusion(flt)
            for given, suggested in itertools.islice(itertools.product(cells.index, cells.columns), 40):
                pair = replace(flt, pair=(given, suggested), verdicts=("noisy_label",))
                if not flt.verdicts or "noisy_label" in flt.verdicts:
                    assert ws.query.matching(pair) == cells.loc[given, suggested]


def test_the_map_counts_as_the_cards_do(ws: Workspace) -> None:
    decide(ws)
    colours = ws.colours("verdict")
    assert colours.names is not None
    assert colours.codes is not None
    drawn = {name: int((colours.codes == i).sum()) for i, name in enumerate(colours.names)}
    assert drawn == ws.counts().by_verdict


def test_a_strict_list_holds_open_samples_only(ws: Workspace) -> None:
    decide(ws)
    strict = Filter(verdicts=(Kind.NOISY_LABEL.value,), strict=0.2)
    listed = ws.ids(strict)
    assert not set(listed) & set(ws.ids(Filter(state="decided")))
    assert ws.strict_counts(replace(strict, strict=None), (0.2,))[0.2] == len(listed)


def test_neighbours_carry_the_label_in_force(ws: Workspace) -> None:
    (card,) = ws.cards(ws.ids()[:1])
    other = card["neighbors"][0]["id"]
    ws.decide(other, "relabel", label="a new class")
    (again,) = ws.cards(ws.ids()[:1])
    assert again["neighbors"][0] | {"label": "a new class", "agrees": False} == again["neighbors"][0]
