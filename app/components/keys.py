"""The keys of every page, as its list of keys shows them: by page, groups of (keys, what they do)."""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_lowercase, digits

Group = tuple[str, tuple[tuple[str, str], ...]]
"""A title, and keys (separated by blanks) with what they do."""

_BY_POSITION = "1 … 9"
"""Keys that mean another label with each sample, unless the reviewers gave every class its own."""

_SELECTION: Group = (
    "Decide",
    (
        ("A", "Keep the labels of the selection"),
        ("/", "Relabel the selection"),
        ("W", "What each one's verdict proposes: see how many and how sure first"),
        ("X", "Exclude the selection"),
        ("T D", "Add a tag to the selection, or remove one, where samples have tags"),
        ("Y", "Confirm what touches many samples"),
        ("U", "Undo the last decision about a selection"),
        ("R", "Redo it"),
    ),
)

KEYS: dict[str, tuple[Group, ...]] = {
    "review": (
        (
            "Decide",
            (
                ("A", "Keep label: the given label is right"),
                ("W", "What the verdict proposes: the suggested label, or to exclude"),
                (
                    _BY_POSITION,
                    "Relabel to the n-th most probable label; where samples have tags, add or remove that tag",
                ),
                ("/", "Any label or tag, or a new one"),
                ("X", "Exclude the sample"),
                ("S", "The same for others like these: see them first"),
                ("N", "Write a note for this decision"),
            ),
        ),
        (
            "Move",
            (
                ("Space", "Skip for now"),
                ("J →", "Next, without deciding"),
                ("K ←", "Back"),
                ("U", "Undo the last decision"),
                ("R", "Redo what was undone last"),
            ),
        ),
        (
            "Look",
            (
                ("Z", "Look closely: zoom, compare, brightness, EXIF"),
                ("F", "Find similar samples"),
                ("E", "Signals behind the verdict"),
                ("I", "In words: what carries the probability, by class names alone"),
                ("Esc", "Close what is open"),
            ),
        ),
    ),
    "label": (
        (
            "Label",
            (
                (_BY_POSITION, "The first nine classes, always the same key"),
                ("W A", "The suggested class"),
                ("/", "Any class, or a new one"),
                ("X", "Exclude the sample"),
                ("N", "Write a note"),
            ),
        ),
        (
            "Move",
            (
                ("Space", "Skip for now"),
                ("J →", "Next, without deciding"),
                ("K ←", "Back"),
                ("U", "Undo the last decision, or all that were accepted together"),
                ("R", "Redo what was undone last"),
            ),
        ),
    ),
    "audit": (
        (
            "Judge",
            (
                ("A", "The label is right"),
                (_BY_POSITION, "It is one of the first nine classes, always the same key"),
                ("/", "Any class, or a new one"),
                ("X", "It belongs to no class: exclude it"),
                ("N", "Write a note"),
            ),
        ),
        (
            "Move",
            (
                ("Space", "Skip for now"),
                ("J →", "Next, without deciding"),
                ("K ←", "Back"),
                ("U", "Undo the last answer"),
                ("R", "Redo it"),
                ("Z", "Look closely"),
            ),
        ),
    ),
    "gallery": (
        (
            "Select",
            (
                ("Click", "Select one"),
                ("Shift Click", "Select a range"),
                ("Ctrl Click", "Add or remove one"),
                ("Ctrl A", "All that match the filter"),
                ("G", "The whole group"),
                ("Esc", "Select nothing"),
            ),
        ),
        _SELECTION,
        (
            "Move",
            (
                ("← → ↑ ↓", "Move"),
                ("Space", "Add or remove"),
                ("Home End", "First, last"),
                ("Enter", "Open in Review"),
                ("F", "Find similar samples"),
                ("Z", "Look closely: zoom, compare, brightness, EXIF"),
                ("+ −", "Larger, smaller tiles"),
            ),
        ),
    ),
    "map": (
        (
            "Select",
            (
                ("L", "Lasso"),
                ("B", "Box"),
                ("V", "Pan"),
                ("N", "A new selection with each outline"),
                ("+ Shift", "Outlines add"),
                ("− Alt", "Outlines subtract"),
                ("Ctrl A", "Everything that is shown"),
                ("S", "Save the selection under a name"),
                ("Esc", "Select nothing"),
            ),
        ),
        _SELECTION,
        (
            "Look",
            (
                ("Wheel", "Zoom"),
                ("0", "Whole map"),
                ("Z", "Look closely at the sample that was clicked"),
                ("Enter", "Selection in the Gallery"),
                ("Click", "A point: its sample. In the legend: hide; twice: only this"),
            ),
        ),
    ),
    "duplicates": (
        (
            "Decide",
            (
                ("X", "Exclude the copies"),
                ("A", "Keep all"),
                ("2 3 4 5 6", "Keep another one instead"),
                ("U", "Undo the last step"),
            ),
        ),
        ("Look", (("Z", "Look closely: zoom, compare, difference"),)),
        ("Move", (("J K", "Next and previous group"), ("N P", "Next and previous page"))),
    ),
    "classes": (
        (
            "Change",
            (
                ("M", "Merge it into another"),
                ("R", "Rename it"),
                ("S", "Split off a part as a new class"),
                ("D", "Delete it, keep its samples"),
            ),
        ),
        ("Move", (("J K", "Next and previous class"),)),
    ),
}
"""Keys of the pages that have keys of their own."""

COMMON: Group = (
    "Everywhere",
    (("Tab", "Next part of the page"), ("Enter", "Open or choose it"), ("Ctrl K", "Search"), ("?", "This list")),
)


COMMANDS = frozenset(
    key.lower()
    for page in ("review", "label")
    for _, rows in KEYS[page]
    for keys, _ in rows
    if keys != _BY_POSITION
    for key in keys.split()
) & set(digits + ascii_lowercase)
"""Digits and letters that Review and Label need themselves: no class can have one of them as its key."""


def keys_of(page: str, classes: Mapping[str, str] | None = None) -> tuple[Group, ...]:
    """Every key of a page, by group.

    Parameters
    ----------
    page
        Its path in the URL.
    classes
        Class → key, where keys stay with their class.
    """
    groups = KEYS.get(page, ())
    if classes:
        groups = tuple((title, tuple(row for row in rows if row[0] != _BY_POSITION)) for title, rows in groups)
        groups = (*groups, ("Classes", tuple((key.upper(), name) for name, key in classes.items())))
    return (*groups, COMMON)
