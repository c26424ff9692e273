from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from markupsafe import escape

from tests.helpers.pictures import MARKUP, log
from winnow.app.components import actions, charts, html, sidebar, subset_cards, theme
from winnow.app.components.page_frame import Page
from winnow.app.components.progress import panel_html
from winnow.app.pages import classes, duplicates, history, overview, people
from winnow.app.server.state import ServerState
from winnow.app.session import cache, filters, state
from winnow.core import ClassEvent, Filter, Workspace
from winnow.core.types import ISSUE_KINDS, Kind


@pytest.fixture
def page(app_state: ServerState, workspace: Workspace) -> Page:
    return Page(
        "duplicates", str(app_state.first), workspace, workspace.info(), Filter(), workspace.counts(), "", "ada"
    )


# -- duplicates -----------------------------------------------------------------------------------------------------


def row(
    sample: str,
    group: int,
    keeper: str | None,
    label: str = "a",
    split: str = "train",
    flagged: bool = True,
    decided: str | None = None,
) -> dict[str, Any]:
    return {
        "sample_id": sample,
        "duplicate_group": group,
        "duplicate_of": keeper,
        "label": label,
        "label_now": label,
        "split": split,
        "flags": ["duplicate"] if keeper and flagged else [],
        "reasons": "near copy (similarity 0.99 of 1), one of 18 copies; the copies carry different labels (a, b)",
        "decision": {"action": decided, "label": None} if decided else None,
    }


def test_groups_begin_with_their_keeper_and_conflicts_come_first() -> None:
    copies = [row("b", 1, "a"), row("c", 1, "a"), row("e", 2, "d", label="x"), row("g", 3, "f", split="test")]
    keepers = [row("a", 1, None), row("d", 2, None), row("f", 3, None)]
    groups = duplicates.groups_of([*copies, *keepers], [1, 2, 3])
    assert [(g.number, g.conflict, g.leak) for g in groups] == [(2, True, False), (3, False, True), (1, False, False)]
    assert [m["sample_id"] for m in groups[2].members] == ["a", "b", "c"]


def test_texts_show_in_which_words_they_differ(page: Page) -> None:
    texts = ["please <b>block</b> my card", "Please <b>block</b> the card now", "please <b>block</b> my card"]
    rows = [
        {**row(name, 1, None if i == 0 else "a"), "text": t}
        for i, (name, t) in enumerate(zip("abc", texts, strict=True))
    ]
    (group,) = duplicates.groups_of(rows, [1])
    html = duplicates.card(replace(page, info=replace(page.info, modality="text")), group)
    assert "<b>block</b>" not in html
    assert html.count("w-differs") == 3
    for word in ("my", "the", "now"):
        assert f'<mark class="w-differs">{word}</mark>' in html


def test_a_card_counts_the_whole_group_and_leaves_the_reason_no_count_of_its_own(page: Page) -> None:
    members = [row("a", 1, None), row("b", 1, "a"), row("c", 1, "a", label="b", flagged=False)]
    (group,) = duplicates.groups_of(members, [1])
    assert (group.conflict, len(group.copies)) == (True, 1), "a possible copy with another label does not agree"
    html = duplicates.card(page, group)
    assert "2 alike" in html
    assert "and 1 possible copy" in html
    assert "one of 18" not in html
    assert "carry different labels" not in html
    assert "Keep this one and exclude the other one (key 2)" in html
    assert "Keep this one and exclude the 2 others (key 3)" in html, "of the possible copy itself"
    assert html.count("w-keeper") == 1


def test_the_frame_is_around_what_stays_and_labels_of_excluded_members_do_not_count(page: Page) -> None:
    rows = [row("a", 1, None, decided="exclude"), row("b", 1, "a", label="b", decided="accept")]
    (group,) = duplicates.groups_of([*rows, row("c", 1, "a", label="b", decided="exclude")], [1])
    assert [group.keeps(member) for member in group.members] == [False, True, False]
    assert not group.conflict
    (group,) = duplicates.groups_of([row("a", 1, None), row("b", 1, "a", decided="exclude")], [1])
    assert [group.keeps(member) for member in group.members] == [True, False]


def test_a_filter_shows_whole_groups(page: Page, workspace: Workspace) -> None:
    for group in duplicates.load_groups(page):
        size = workspace.query.matching(Filter(duplicate_group=group.number))
        assert len(group.members) == size
        label = group.copies[0]["label"]
        narrowed = duplicates.load_groups(replace(page, filter=Filter(classes=(label,))))
        assert {len(g.members) for g in narrowed if g.number == group.number} == {size}


def test_excluding_a_group_never_excludes_its_keeper(page: Page, workspace: Workspace) -> None:
    group = duplicates.load_groups(page)[0]
    duplicates.decide(page, {"do": "exclude", "group": group.number})
    assert set(workspace.current()) == {m["sample_id"] for m in group.copies}
    assert group.keeper["sample_id"] not in workspace.current()


def test_keeping_another_one_excludes_the_rest(page: Page, workspace: Workspace) -> None:
    group = duplicates.load_groups(page)[0]
    chosen = group.copies[0]["sample_id"]
    duplicates.decide(page, {"do": "keeper", "group": group.number, "id": chosen})
    said = {sample: by["ada"].action.value for sample, by in workspace.current().items()}
    assert said == {m["sample_id"]: "accept" if m["sample_id"] == chosen else "exclude" for m in group.sure}
    assert not set(said) & {m["sample_id"] for m in group.members if m not in group.sure}, "a possible copy stays"
    duplicates.decide(page, {"do": "undo"})
    assert workspace.current() == {}


def test_a_keeper_that_is_not_in_the_group_changes_nothing(page: Page, workspace: Workspace) -> None:
    group = duplicates.load_groups(page)[0]
    duplicates.decide(page, {"do": "keeper", "group": group.number, "id": "somebody else"})
    assert workspace.current() == {}


def test_bulk_exclusion_reaches_the_printed_count_of_groups_whose_labels_agree(
    page: Page, workspace: Workspace
) -> None:
    agreeing = [g for g in duplicates.load_groups(page) if not g.conflict]
    n = sum(len(g.copies) for g in agreeing)
    duplicates.decide(page, {"do": "exclude_all", "expect": n})
    assert len(workspace.current()) == n > 0
    duplicates.decide(page, {"do": "undo"})
    assert workspace.current() == {}


# -- history --------------------------------------------------------------------------------------------------------


def test_an_undo_reverts_exactly_one_step(page: Page, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from winnow.app.session import state

    monkeypatch.setattr(state, "session", lambda: state.Session())
    ids = workspace.ids()
    workspace.decide(ids[0], "accept", actor="ada")
    workspace.decide_many(ids[1:11], "exclude", actor="ada")
    workspace.decide(ids[20], "accept", actor="bob")
    first, batch = log(workspace)[0].decision_id, log(workspace)[1].batch_id
    history.undo(page, batch=batch)
    assert set(workspace.current()) == {ids[0], ids[20]}
    history.undo(page, decision=first)
    assert set(workspace.current()) == {ids[20]}
    history.undo(page)
    assert set(workspace.current()) == {ids[20]}, "what is left is not hers"


def test_rows_of_one_batch_are_one_step(page: Page, workspace: Workspace) -> None:
    ids = workspace.ids()
    workspace.decide(ids[0], "accept")
    workspace.decide_many(ids[1:5], "exclude")
    html = history.body(page, dict.fromkeys(history.FIELDS, ""), 0)
    assert html.count("<tr") == 3  # with the head
    assert "4 samples" in html
    assert "2 steps" in html


def test_ticked_rows_and_all_that_match_are_undone(
    page: Page, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices = SimpleNamespace(notice=None)
    monkeypatch.setattr(history.state, "session", lambda: notices)
    ids = workspace.ids()
    one = workspace.decide(ids[0], "accept", actor=page.actor)
    batch = workspace.decide_many(ids[1:5], "exclude", actor=page.actor)
    workspace.decide_many(ids[5:9], "exclude", actor="bob")
    history.undo_picked(page, [f"one:{one.decision_id}", "junk"])
    assert ids[0] not in workspace.current()
    assert len(history.undoable(page, {"action": "exclude"})) == 4
    assert history.undoable(page, {"actor": "bob"}) == []
    history.undo_all(page, {"action": "exclude"}, 5)
    assert "These are 4 decisions now, not 5" in str(notices.notice)
    assert len(workspace.current()) == 8
    history.undo_all(page, {"action": "exclude"}, 4)
    assert set(workspace.current()) == set(ids[5:9])
    history.undo_picked(page, [f"batch:{batch.batch_id}"])
    assert set(workspace.current()) == set(ids[5:9])
    html = history.body(page, dict.fromkeys(history.FIELDS, ""), 0)
    assert "data-pick data" not in html, "what was undone cannot be undone again"
    workspace.decide_many(ids[20:25], "exclude", actor=page.actor)
    html = history.body(page, dict.fromkeys(history.FIELDS, ""), 0)
    assert html.count("data-pick data") == 1
    assert "Undo all 5" in html


@pytest.mark.parametrize(
    ("when", "first", "last", "expected"),
    [
        ("", "2026-03-01", "2026-03-02", {}),
        ("between", "2026-03-01", "2026-03-02", {"since": "2026-03-01", "until": "2026-03-03"}),
        ("between", "", "x", {}),
        ("day", "", "", {"since": "2026-02-28T12:00:00+00:00"}),
    ],
)
def test_days_are_whole_and_the_last_one_counts(when: str, first: str, last: str, expected: dict[str, str]) -> None:
    assert history.span(when, first, last, datetime(2026, 3, 1, 12, tzinfo=UTC)) == expected


def test_people_and_what_they_disagree_about_are_shown_as_text(page: Page, workspace: Workspace) -> None:
    assert people.section(page) == ""
    sample = workspace.ids(Filter(classes=("cat",)))[0]
    workspace.decide(sample, "accept", actor="<b>ann")
    assert people.section(page) == ""
    workspace.decide(sample, "relabel", label=MARKUP, actor="bob")
    html = people.section(page)
    assert "1 sample decided by several: 0 the same, 1 differently" in html
    assert "&lt;b&gt;ann" in html
    assert "<b>ann" not in html
    assert MARKUP not in html
    assert escape(MARKUP) in html
    assert "Settle 1 by consensus" in html


def test_class_changes_read_as_sentences_and_carry_their_undo() -> None:
    merged = ClassEvent(1, "e1", "merge", "<cat>", "ann", "2026-03-01T00:00:00+00:00", "dog", detail={"count": 412})
    row = html.render("history", "class_step", merged, True)
    assert "Merged <b>&lt;cat&gt;</b> into <b>dog</b>" in row
    assert "412 samples" in row
    assert "class-undo" in row
    gone = html.render("history", "class_step", merged, False)
    assert "class-undo" not in gone
    assert "w-gone" in gone


def test_classes_are_ordered_by_their_share_of_noise() -> None:
    sizes, noisy = {"a": 100, "b": 10, "c": 50}, {"a": 10, "b": 5}
    assert classes.order_classes(sizes, noisy, "noise") == ["b", "a", "c"]
    assert classes.order_classes(sizes, noisy, "small") == ["b", "c", "a"]


def test_matrix_cells_open_queues_that_hold_what_they_count(page: Page, workspace: Workspace) -> None:
    confusion = workspace.confusion()
    drawn = charts.matrix(confusion, Filter(), page.key)
    given, suggested = "bird", "deer"
    flt = Filter(pair=(given, suggested), verdicts=("noisy_label",))
    assert escape(filters.to_query(flt, sort="-noisy_label", ws=page.key)) in drawn
    assert workspace.counts(flt).matching == confusion.loc[given, suggested]


def test_a_large_matrix_shows_the_most_mixed_up_classes() -> None:
    names = [f"class {i}" for i in range(300)]
    confusion = pd.DataFrame(0, index=names, columns=names)
    confusion.loc["class 7", "class 9"] = 50
    for i in range(100):
        confusion.iloc[i, i + 100] += 1
    drawn = charts.matrix(confusion, Filter(), "k")
    assert "class 7" in drawn
    assert drawn.count('scope="row"') == charts.MATRIX_CLASSES
    assert "All 200 classes with confusions" in drawn
    assert drawn.count("<rect") == 200 + 101, "a square per class on the diagonal, and one per confusion"


def test_classes_that_are_confused_lie_side_by_side() -> None:
    names = ["a", "b", "c", "d", "e", "f"]
    cells = {("a", "e"): 9, ("e", "a"): 3, ("b", "f"): 8, ("c", "d"): 5}
    order = charts.hierarchical_order(names, cells)
    assert sorted(order) == names
    for given, suggested in cells:
        assert abs(order.index(given) - order.index(suggested)) == 1
    assert charts.hierarchical_order(["a", "b"], {}) == ["a", "b"]


def test_a_learning_curve_has_axes_with_round_ticks() -> None:
    assert subset_cards.ticks(0, 1035) == [0, 500, 1000, 1500]
    assert subset_cards.ticks(71.2, 93.4) == [70, 75, 80, 85, 90, 95]
    arms = [{"name": f"curve_{i}", "size": 100 * i, "accuracy": 0.6 + 0.05 * i} for i in (1, 2, 3)]
    arms += [{"name": f"curve_random_{i}", "size": 100 * i, "accuracy": 0.5 + 0.05 * i} for i in (1, 2, 3)]
    main = [{"name": name, "size": 400, "accuracy": 0.8} for name in ("subset", "random")]
    curve = subset_cards._learning_curve(arms, main)
    assert curve is not None
    assert [n for _, n in curve["x_ticks"]] == [0, 100, 200, 300, 400]
    heights = [y for _, y, _, _ in curve["lines"]["subset"]]
    assert heights == sorted(heights, reverse=True), "higher accuracy is drawn higher"
    assert all(curve["left"] <= x <= curve["right"] for line in curve["lines"].values() for x, *_ in line)
    drawn = html.render("subset", "learning_curve", **curve)
    assert "training samples" in drawn
    assert "400 samples, 80.0%" in drawn


# -- words and numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 10, "0%"), (1, 3, "33.3%"), (1, 100_000, "<0.1%"), (10, 10, "100%"), (1, 0, "–"), (99_999, 100_000, "100%")],
)
def test_percentages_have_one_decimal_at_most(part: int, whole: int, said: str) -> None:
    assert html.percent(part, whole) == said


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2026-01-01T11:59:57+00:00", "just now"),
        ("2026-01-01T11:58:00+00:00", "2 min ago"),
        ("2026-01-01T11:58:00", "2 min ago"),
        ("2025-12-30T12:00:00Z", "2 days ago"),
        ("nonsense", "–"),
    ],
)
def test_times_are_relative_with_utc_on_hover(at: str, said: str) -> None:
    drawn = html.ago(at, datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert said in drawn
    assert said == "–" or "UTC" in drawn


@pytest.mark.parametrize(("value", "said"), [(0.42, "0.4 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")])
def test_durations(value: float, said: str) -> None:
    assert html.seconds(value) == said


def test_text_is_escaped_wherever_it_is_drawn() -> None:
    bad = "<img src=x onerror=alert(1)>\"'"
    for drawn in (
        html.notice(bad),
        html.render("macros", "verdict_chip", bad),
        html.render("macros", "action_chip", "relabel", bad),
        html.go("x", value=bad),
        html.render("macros", "button", bad, ""),
        html.empty(bad, bad),
        html.notice(f"`{bad}`"),
    ):
        assert "<img" not in drawn


def test_every_kind_has_one_look() -> None:
    assert set(theme.VERDICTS) == {k.value for k in Kind}
    assert theme.VERDICTS["ood"].colour == "#CC79A7"
    assert "--v-noisy_label:#D55E00" in theme.css()


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_text_colours_meet_wcag_aa_on_every_ground(palette: dict[str, str]) -> None:
    for ground in ("bg", "side", "raise", "fill"):
        for ink in ("text", "muted", "accent-text", "good", "warn", "bad"):
            assert contrast(palette[ink], palette[ground]) >= 4.5, (ink, ground)
    assert contrast("#FFFFFF", palette["accent"]) >= 4.5


# -- a scan at work -------------------------------------------------------------------------------------------------


def test_a_running_scan_says_stage_rate_and_time_left() -> None:
    status = {
        "state": "running",
        "stage": "embed",
        "done": 500,
        "total": 2000,
        "unit": "samples",
        "rate": 250.0,
        "eta_s": 6.0,
        "stages": [{"name": "source", "seconds": 1.2}],
    }
    drawn = panel_html(status)
    for said in ("Embedding", "500 of 2,000 samples", "250 a second", "6.0 s left", "Cancel", "1.2 s", "width:25.0%"):
        assert said in drawn


def test_a_stage_without_a_total_still_draws() -> None:
    assert "data-open" in panel_html({"state": "running", "stage": "map", "done": 0, "total": 0, "stages": []})


# -- filters --------------------------------------------------------------------------------------------------------


def test_filters_survive_the_url() -> None:
    flt = Filter(
        verdicts=("ood", "broken"),
        classes=("a,b", 'it\'s "é"'),
        clusters=(3,),
        state="undecided",
        scores={"hard": (0.5, None)},
        text="x&y=1",
        pair=("a b", "c/d"),
        polygon=((0.0, 0.0), (1.0, 0.5), (0.0, 1.0)),
    )
    assert filters.from_query(filters.to_query(flt, sort="-ood", ws="k")) == flt
    assert filters.to_pairs(filters.with_ids(Filter(), ["a"])) == []


# -- metadata -------------------------------------------------------------------------------------------------------


def test_a_column_of_the_metadata_is_opened_narrowed_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    from winnow.app.session import state

    session = state.Session()
    monkeypatch.setattr(state, "session", lambda: session)
    state.set_metadata("open", "None", "weight")
    assert session.columns == ("weight",)
    state.set_metadata("range", "weight", [1.0, 3.5])
    state.set_metadata("high", "weight", "9")
    assert session.filter.metadata == {"weight": ("range", 1.0, 9.0)}
    state.set_metadata("value", "camera", "Canon")
    state.set_metadata("value", "camera", "Nikon")
    state.set_metadata("value", "camera", "Canon")
    assert session.filter.metadata["camera"] == ("in", "Nikon")
    state.set_metadata("value", "camera", "Nikon")
    assert "camera" not in session.filter.metadata
    state.set_metadata("missing", "camera", None)
    assert session.filter.metadata["camera"] == ("missing",)
    state.set_metadata("close", "camera", None)
    state.set_metadata("close", "weight", None)
    assert (session.columns, session.filter) == ((), Filter())


def test_the_sidebar_draws_histograms_and_values(page: Page, workspace: Workspace) -> None:
    columns = workspace.query.metadata_columns
    assert {"width", "height"} <= set(columns)
    drawn = sidebar.metadata(page.key, workspace, Filter(metadata={"width": ("range", 1, None)}), ["height"])
    assert drawn.count("data-brush") == 2
    assert 'aria-label="width: from"' in drawn


# -- histograms of the probabilities ---------------------------------------------------------------------------------


def test_probabilities_are_histograms_with_the_least_flagged_value(page: Page, workspace: Workspace) -> None:
    spreads = cache.score_spreads(page.key, workspace)
    bars, threshold = spreads["ood"]
    assert sum(bars) == page.info.n
    flagged = workspace.rows(Filter(kinds=("ood",)), "ood", 0, page.info.n)
    assert threshold == min(row["scores"]["ood"] for row in flagged)
    drawn = sidebar.filters_panel(page.key, workspace, Filter(scores={"ood": (0.5, 0.75)}))
    assert drawn.count("data-brush") == len(ISSUE_KINDS)
    assert f"Flagged from {threshold:.2f}" in drawn
    outside = drawn[drawn.index("w-s-ood") : drawn.index('type="range"', drawn.index("w-s-ood"))].count("w-out")
    assert outside == cache.SCORE_BARS * 3 // 4, "half of the range below, a quarter above"


def test_a_brush_over_a_histogram_bounds_the_probability_on_both_sides(app_state: ServerState) -> None:
    actions.dispatch({"do": "score", "field": "ood", "value": [0.25, 0.5]})
    assert state.session().filter.scores == {"ood": (0.25, 0.5)}
    for nonsense in ([2, 3], "much", [0.1], None):
        actions.dispatch({"do": "score", "field": "ood", "value": nonsense})
        assert state.session().filter.scores == {"ood": (0.25, 0.5)}
    actions.dispatch({"do": "score", "field": "ood", "value": 0})
    assert state.session().filter.scores == {}


@pytest.mark.parametrize(("names", "claim"), [(("a",), "Labels were not checked"), (("a", "b"), "No noisy label here")])
def test_a_page_that_checked_nothing_makes_no_claim_about_labels(
    page: Page, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], claim: str
) -> None:
    monkeypatch.setattr(overview, "matrix", lambda *a: "")
    text = overview.body(replace(page, info=replace(page.info, class_names=names)))
    assert claim in text
    assert text.count("Labels were not checked") + text.count("No noisy label here") == 1
