"""The search box that every page shows: what stands in it, what its words mean, and what is said about the answer."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from winnow.app.components.assets import asset_path
from winnow.app.components.html import render
from winnow.app.session import state
from winnow.core import MAX_WORDS, Filter

MATCH = "match"
"""The order of a search: the nearest first."""

_NOT = re.compile(r"(?:^|\s+)but\s+not\s+|^not\s+", re.IGNORECASE)


def parse(words: str) -> tuple[str, str]:
    """(what is looked for, what is not wanted) of the words in the box.

    >>> parse("a red car but not at night")
    ('a red car', 'at night')
    >>> parse("not blurred")
    ('', 'blurred')
    """
    wanted, *unwanted = _NOT.split(words[:MAX_WORDS].strip(), maxsplit=1)
    return wanted.strip(), unwanted[0].strip() if unwanted else ""


def written(flt: Filter) -> str:
    """The words that give this search: the inverse of :func:`parse`."""
    return " ".join(filter(None, [flt.find, f"{'but ' if flt.find else ''}not {flt.without}" if flt.without else ""]))


def search(value: dict[str, Any]) -> None:
    """Do what the box asks for: words, or the handle of a file; no words take the search away."""
    s = state.session()
    if isinstance(handle := value.get("file"), str) and handle:
        s.filter = replace(s.filter, find="", like="", without="", file=handle)
    else:
        find, without = parse(str(value.get("words", "")))
        s.filter = replace(s.filter, find=find, without=without)
    order(s)


def alike(sample: str) -> None:
    """Look for samples similar to one; the rest of the filter that is about searching goes."""
    s = state.session()
    s.filter = replace(s.filter, find="", file="", without="", like=sample)
    s.selection = None
    order(s)


def order(s: state.Session) -> None:
    """The nearest first while something is looked for, the page's own order otherwise."""
    s.sort = MATCH if s.filter.searching else None if s.sort == MATCH else s.sort


def box(page: Any) -> str:
    """The search box of a page with a dataset."""
    searcher = page.workspace.searcher
    noun = "Search by meaning" if searcher.knows_words else "Search in texts"
    return render("search_box", "box", written(page.filter), noun, searcher.takes, MAX_WORDS)


def wiring(page: Any) -> dict[str, Any]:
    """What the box needs in the browser."""
    data = page.data()
    return {
        **{k: data[k] for k in ("api", "ws", "token", "decides")},
        "module": "./" + asset_path("search/search.js"),
        "api": "./api/",
        "takes": page.workspace.searcher.takes,
    }


def describe_search(page: Any) -> str:
    """What a person must know about the search that is on, "" = nothing."""
    flt = page.filter
    return str(page.workspace.searcher.notice()) if flt.find or flt.without else ""
