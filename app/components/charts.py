"""Charts made of HTML: verdict tiles, health by group, the given-against-suggested matrix, its commonest pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from winnow.app.components import theme
from winnow.app.components.html import count, dot, esc, go, percent, stack
from winnow.app.session import filters
from winnow.core import Filter

MATRIX_CLASSES = 14
"""Classes that the matrix shows: those of the commonest mix-ups. The Classes page reaches the rest."""


def queue_link(
    inner: str, flt: Filter, page: str = "review", sort: str = "", css: str = "", title: str = "", key: str = ""
) -> str:
    """A real link to a queue: a click opens it here, a middle click in another tab."""
    more = {"sort": sort} if sort else {}
    query = filters.to_query(flt, **more)
    own = filters.to_query(flt, **more, **({"ws": key} if key else {}))
    tip = f' title="{esc(title)}"' if title else ""
    return f'<a class="{css}" href="/{page}?{esc(own)}"{tip} {go("queue", query=query, page=page)}>{inner}</a>'


def verdict_tiles(by_verdict: Mapping[str, int], whole: int, flt: Filter, key: str) -> str:
    """One tile per verdict: count and share; a click opens its queue."""
    tiles = []
    for kind, style in theme.VERDICTS.items():
        n = by_verdict.get(kind, 0)
        sort = "-confidence" if kind == "clean" else f"-{kind}"
        inner = f'<span class="w-tile-name">{dot(kind)}{style.says}</span><b>{count(n)}</b><span class="w-muted">{percent(n, whole)}</span>'
        page = "gallery" if kind in ("clean", "naive") else "review"
        tiles.append(
            queue_link(
                inner,
                replace(flt, verdicts=(kind,)),
                page,
                sort,
                f"w-tile{'' if n else ' w-zero'}",
                f"{style.says} ({style.term}): open these {n:,}",
                key,
            )
        )
    return f'<div class="w-tiles">{"".join(tiles)}</div>'


def health_table(
    title: str, field: str, groups: Sequence[tuple[str, Mapping[str, int]]], flt: Filter, key: str, note: str = ""
) -> str:
    """Verdicts per group (class, split or source) as stacked bars, with how many labels look wrong."""
    rows = []
    for name, by_verdict in groups:
        whole = sum(by_verdict.values())
        noisy = by_verdict.get("noisy_label", 0)
        here = replace(flt, **{field: (name,)})
        rows.append(
            f"<tr><th scope='row'>{queue_link(esc(name or '(none)'), here, 'gallery', css='w-cut', title=name, key=key)}</th>"
            f"<td class='w-r'>{count(whole)}</td><td class='w-wide'>{stack(by_verdict, whole, name or '(none)')}</td>"
            f"<td class='w-r'>{queue_link(count(noisy), replace(here, verdicts=('noisy_label',)), 'review', '-noisy_label', title=f'Review {noisy:,}', key=key) if noisy else '0'}</td>"
            f"<td class='w-r w-muted'>{percent(noisy, whole)}</td></tr>"
        )
    head = f"<tr><th scope='col'>{esc(title.removeprefix('By ').capitalize())}</th><th scope='col' class='w-r'>Samples</th><th scope='col' class='w-wide'>Verdicts</th><th scope='col' class='w-r' colspan='2'>Label looks wrong</th></tr>"
    return (
        f"<section class='w-card'><header><h2>{esc(title)}</h2><span class='w-muted'>{esc(note)}</span></header>"
        f"<div class='w-scroll' data-scroll data-k='health-{field}' tabindex='0' aria-label='{esc(title)}'><table class='w-table w-health'><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def cells_of(confusion: Any) -> dict[tuple[str, str], int]:
    """(given, suggested) → count, only what is above zero and off the diagonal."""
    values = confusion.to_numpy()
    rows, columns = [str(v) for v in confusion.index], [str(v) for v in confusion.columns]
    return {
        (rows[i], columns[j]): int(values[i, j])
        for i, j in zip(*values.nonzero(), strict=True)
        if rows[i] != columns[j] and values[i, j] > 0
    }


def matrix(confusion: Any, flt: Filter, key: str) -> str:
    """Given (rows) against suggested (columns) class; each cell opens its queue."""
    cells = cells_of(confusion)
    if not cells:
        return ""
    kept: dict[str, None] = {}
    for pair in sorted(cells, key=lambda p: (-cells[p], p)):
        if len(kept.keys() | set(pair)) <= MATRIX_CLASSES:
            kept |= dict.fromkeys(pair)
    involved = {name for pair in cells for name in pair}
    names = [str(c) for c in confusion.index if str(c) in kept] + sorted(
        kept.keys() - {str(c) for c in confusion.index}
    )
    most = max(cells.values())
    head = "".join(f"<th scope='col'><span title='{esc(c)}'>{esc(c)}</span></th>" for c in names)
    body = []
    for given in names:
        row = []
        for suggested in names:
            n = cells.get((given, suggested), 0)
            if given == suggested:
                row.append("<td class='w-diag'></td>")
            elif not n:
                row.append("<td></td>")
            else:
                link = queue_link(
                    count(n),
                    replace(flt, pair=(given, suggested), kinds=("noisy_label",)),
                    "review",
                    "-noisy_label",
                    title=f"{n:,} labelled {given} look like {suggested}",
                    key=key,
                )
                row.append(f"<td style='--p:{12 + 66 * (n / most) ** 0.5:.0f}%'>{link}</td>")
        body.append(
            f"<tr><th scope='row'><span class='w-cut' title='{esc(given)}'>{esc(given)}</span></th>{''.join(row)}</tr>"
        )
    few = len(names) < len(involved)
    note = (
        f"the commonest mix-ups, among {len(names)} of {len(involved):,} classes"
        if few
        else "click a cell to review it"
    )
    tilt = " w-tilt" if len(names) > 8 and max(map(len, names)) > 9 else ""
    return (
        f"<section class='w-card'><header><h2>Given (rows) against suggested (columns)</h2><span class='w-muted'>{note}</span></header>"
        f"<div class='w-scroll w-whole' tabindex='0' aria-label='Given against suggested class'><table class='w-matrix{tilt}' style='--n:{len(names)}'>"
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div></section>"
    )


def pairs(confusion: Any, flt: Filter, key: str, limit: int = 10) -> str:
    """The commonest mix-ups as a list of links."""
    cells = sorted(cells_of(confusion).items(), key=lambda kv: (-kv[1], kv[0]))
    most = cells[0][1] if cells else 1
    items = "".join(
        "<li>"
        + queue_link(
            f"<span class='w-cut'>{esc(given)} <span class='w-muted'>→</span> {esc(suggested)}</span><i style='width:{52 * n / most:.0f}px'></i><b>{count(n)}</b>",
            replace(flt, pair=(given, suggested), kinds=("noisy_label",)),
            "review",
            "-noisy_label",
            title=f"{n:,} labelled {given} look like {suggested}",
            key=key,
        )
        + "</li>"
        for (given, suggested), n in cells[:limit]
    )
    return f"<section class='w-card'><header><h2>Commonest mix-ups</h2><span class='w-muted'>given → suggested</span></header><ul class='w-pairs'>{items}</ul></section>"
