"""Map: where every sample lies among the others; select by outline, decide about exactly the printed count."""

from __future__ import annotations

from winnow.app.components import theme
from winnow.app.components.js_mount import mount_surface, signal_options
from winnow.app.components.page_frame import Page, page_frame
from winnow.app.session import state
from winnow.app.session.filters import browser_schema
from winnow.core.types import ISSUE_KINDS


def colours(page: Page) -> list[list[str]]:
    """What the points can be coloured by: [name, words, group, explanation], only what this dataset has."""
    options = [["verdict", "Verdict"]]
    if page.info.class_names:
        options += [["label", "Label"], ["given_label", "Given label"], ["suggested_label", "Suggested label"]]
    options += [["cluster", "Cluster"], ["decision", "Decision"]]
    options += [["label_source", "Where the label is from"]] if len(page.counts.by_label_source) > 1 else []
    options += [["split", "Split"]] if any(page.counts.by_split or ()) else []
    options += [["source", "Source"]] if any(page.counts.by_source or ()) else []
    options += [[kind, theme.verdict_name(kind)] for kind in theme.VERDICTS if kind in set(ISSUE_KINDS)]
    options += [["confidence", "Confidence of the verdict"]]
    metadata = [[f"meta.{name}", name, "Metadata", ""] for name in page.workspace.query.metadata_columns]
    tags = [
        [f"tag.{name}", name, "Tags", ""]
        for name in (page.workspace.tags.now.names() if page.workspace.has_tags else ())
    ]
    return [*([value, words, "", ""] for value, words in options), *tags, *metadata, *signal_options(page.workspace)]


def draw() -> None:
    """Draw the page."""
    page = page_frame("map")
    options, asked = colours(page), state.session().colour
    colour = asked if asked in {name for name, *_ in options} else options[0][0]
    data = {"colours": options, "colour": colour, "filters": browser_schema(), "modality": str(page.info.modality)}
    mount_surface("map", {**page.data(), **data}, key="w-map")
