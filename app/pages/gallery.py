"""Gallery: everything that matches, as a grid without end, with bulk decisions over exactly the printed count."""

from __future__ import annotations

from winnow.app.components import theme
from winnow.app.components.js_mount import mount_surface, signal_options
from winnow.app.components.page_frame import Page, page_frame
from winnow.app.components.search_box import MATCH
from winnow.app.session import state
from winnow.core import PICKS
from winnow.core.types import ISSUE_KINDS, Kind


def orders(page: Page) -> list[list[str]]:
    """What the grid can be ordered by: [sort, words, group, explanation], the kinds before the signals."""
    own = [["pick", PICKS[page.filter.pick].title]] if page.filter.pick else []
    own += [[MATCH, "Nearest to the search"]] if page.filter.searching else []
    kinds = [[f"-{kind}", theme.verdict_name(kind)] for kind in theme.VERDICTS if kind in set(ISSUE_KINDS)]
    columns = page.workspace.query.metadata_columns
    plain = [
        *own,
        *kinds,
        ["-suspicion", "Highest probability of a problem"],
        ["-confidence", "Most confident verdict"],
        ["confidence", "Least confident verdict"],
        ["row", "Order of the dataset"],
        *([f"{way}meta.{name}", f"{name} {arrow}"] for name in columns for way, arrow in (("", "↑"), ("-", "↓"))),
    ]
    return [*([value, words, "", ""] for value, words in plain), *signal_options(page.workspace, "-")]


def groups(page: Page) -> list[list[str]]:
    """What the grid can be grouped by: [name, words], only what this dataset has."""
    options = [["", "Nothing"]]
    options += [["label", "Label"]] if page.info.n_labelled else []
    options += [["cluster", "Cluster"]] if set(page.counts.by_cluster or ()) - {-1} else []
    metadata = [[f"meta.{name}", name] for name in page.workspace.query.metadata_columns]
    return [*options, ["duplicate_group", "Duplicate group"], ["verdict", "Verdict"], *metadata]


def first_order(page: Page) -> str:
    """The order that was asked for, else by the one verdict that is shown, else noisy labels first."""
    if sort := state.session().sort:
        return sort
    if page.filter.pick:
        return "pick"
    if page.filter.searching:
        return MATCH
    shown = page.filter.verdicts
    return f"-{shown[0]}" if len(shown) == 1 and shown[0] != Kind.CLEAN else f"-{Kind.NOISY_LABEL}"


def draw() -> None:
    """Draw the page."""
    page = page_frame("gallery")
    data = {
        "sorts": orders(page),
        "sort": first_order(page),
        "groups": groups(page),
        "group": state.session().group or "",
        "modality": str(page.info.modality),
    }
    mount_surface("gallery", {**page.data(), **data}, key="w-gallery")
