"""What Overview says about image–text pairs: how many captions do not fit, by where they come from."""

from __future__ import annotations

from winnow.app.components.charts import queue_link
from winnow.app.components.html import count, esc, percent
from winnow.app.components.page_frame import Page
from winnow.app.components.thumbnails import picture
from winnow.app.session import filters
from winnow.core import Filter

PAIR_QUALITY = "pair_quality"
ROWS, EXAMPLES = 12, 3


def quality(page: Page) -> str:
    """Captions by source as a table, the worst first; "" where captions were not compared with images."""
    found = next((t for t in page.workspace.dataset_checks() if t["name"] == PAIR_QUALITY and not t["skipped"]), None)
    if found is None or not found["rows"]:
        return ""
    shown = [ids[:EXAMPLES] for ids in found["examples"][:ROWS]]
    wanted = list(dict.fromkeys(i for ids in shown for i in ids))
    tiles = {}
    if wanted:
        rows = page.workspace.rows(filters.with_ids(Filter(), wanted), "row", 0, len(wanted))
        tiles = {r["sample_id"]: picture(page, r, "w-mini") for r in rows}
    known = bool(page.counts.by_source)
    lines = []
    for row, ids in zip(found["rows"][:ROWS], shown, strict=False):
        name = str(row["source"])
        flt = Filter(kinds=("noisy_label",), sources=(name,) if known and name != "(none)" else ())
        lines.append(
            f"<tr><th scope='row'>{queue_link(esc(name), flt, 'review', '-noisy_label', 'w-cut', 'Review the captions that do not fit', page.key)}</th>"
            f"<td class='w-r'>{count(row['samples'])}</td><td class='w-r'><b>{percent(row['mismatched'], 1)}</b></td>"
            f"<td class='w-r w-muted'>{percent(row['low'], 1)} – {percent(row['high'], 1)}</td>"
            f"<td><div class='w-strip'>{''.join(tiles.get(i, '') for i in ids)}</div></td></tr>"
        )
    return (
        f"<section class='w-card'><header><h2>Captions by source</h2><span class='w-muted w-cut'>{esc(found['summary'])}</span></header>"
        "<table class='w-table w-fits'><thead><tr><th>Source</th><th class='w-r'>Pairs</th><th class='w-r'>Do not fit</th>"
        f"<th class='w-r' title='95%, over all sources'>Surely</th><th>Worst</th></tr></thead><tbody>{''.join(lines)}</tbody></table>"
        "<p class='w-muted w-fine' style='margin-top:8px'>Weights for training with every pair: <code>winnow pairs WS --out weights.parquet</code></p></section>"
    )
