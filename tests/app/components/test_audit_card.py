"""The audit's card on Overview, and its section of the datasheet: what the answers say, and nothing before them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from winnow.app.components.audit_card import audit_card
from winnow.core import Workspace


def card(ws: Workspace) -> str:
    return audit_card(SimpleNamespace(workspace=ws, info=ws.info(), counts=ws.counts()))


@pytest.mark.parametrize("answer", ["accept", "exclude"])
def test_card_and_datasheet_say_what_the_answers_say(tiny_ws: Path, tmp_path: Path, answer: str) -> None:
    with Workspace.open(tiny_ws, actor="ada") as ws:
        assert "Draw 200 samples" in card(ws)
        plan = ws.audit.draw(100, actor="ada", seed=1)
        assert "Estimates begin with 20 answers" in card(ws)
        assert "Recall" not in card(ws)
        ids = ws.audit.next_ids()
        ws.record([{"sample_id": i, "action": answer, "audit": plan.audit_id} for i in ids])
        said = card(ws)
        assert f"{len(ids)} of {plan.size} judged" in said
        assert "Given labels that are wrong" in said
        flagged = [s for s in plan.samples if s.sample_id in ids and s.stratum == "flagged"]
        assert flagged
        if answer == "accept":
            assert f"Look again at {len(flagged)} overruled" in said, "every flag was overruled"
            assert "Precision of the flag noisy label" in said
        else:
            assert f"Excluded: {len(ids)} samples of no class" in said
            assert "overruled" not in said
        ws.exports.datasheet(tmp_path / "sheet.md", actor="ada")
        sheet = (tmp_path / "sheet.md").read_text(encoding="utf-8")
        assert f"{len(ids)} samples judged" in sheet
        assert "Given labels that are wrong" in sheet


def test_a_damaged_draw_is_a_sentence_on_the_card(tiny_ws: Path) -> None:
    with Workspace.open(tiny_ws, actor="ada") as ws:
        plan = ws.audit.draw(20, actor="ada")
        (tiny_ws / "audits" / f"{plan.audit_id}.json").write_text("[]", encoding="utf-8")
        assert "is damaged" in card(ws)
