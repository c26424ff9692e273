"""What Overview shows about image–text pairs: how many captions do not fit, by source."""

from __future__ import annotations

from winnow.app.components.html import render
from winnow.app.components.page_frame import Page
from winnow.app.components.thumbnails import picture, rows_of
from winnow.core import Filter

PAIR_QUALITY = "pair_quality"
ROWS, EXAMPLES = 12, 3


def caption_table(page: Page) -> str:
    """Captions by source as a table, the worst first; "" where captions were not compared with images."""
    table = next((t for t in page.workspace.dataset_checks() if t["name"] == PAIR_QUALITY and not t["skipped"]), None)
    if table is None or not table["rows"]:
        return ""
    examples = [ids[:EXAMPLES] for ids in table["examples"][:ROWS]]
    samples = rows_of(page, (i for ids in examples for i in ids))
    rows = []
    for row, ids in zip(table["rows"][:ROWS], examples, strict=False):
        name = str(row["source"])
        sources = (name,) if page.counts.by_source and name != "(none)" else ()
        pictures = [picture(page, samples[i]) for i in ids if i in samples]
        rows.append((row, Filter(kinds=("noisy_label",), sources=sources), pictures))
    return render("pair_quality", "table", page.key, table["summary"], rows)
