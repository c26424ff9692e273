"""Views kept under a name: what they hold, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from winnow.core.errors import NotAllowed, QueryError
from winnow.core.review.roles import Roles
from winnow.core.review.saved_views import LONGEST_QUERY, SavedViews


@pytest.fixture
def views(tmp_path: Path) -> SavedViews:
    return SavedViews(tmp_path / "views", Roles(tmp_path / "roles.json"))


def test_a_view_is_kept_until_it_is_deleted(views: SavedViews) -> None:
    kept = views.save("  Deer,\n unsure ", "gallery", "classes=deer&sort=-ood", actor="ada")
    views.save("another", "map", "colour=label", actor="bo")
    assert [view.name for view in views.all()] == ["another", "Deer, unsure"]
    assert views.get(kept.handle) == kept
    assert (kept.page, kept.query, kept.actor) == ("gallery", "classes=deer&sort=-ood", "ada")
    assert views.delete(kept.handle, "ada") == kept
    with pytest.raises(QueryError, match=r"not there any more\. There are: .another"):
        views.get(kept.handle)


def test_a_name_is_taken_once_and_is_never_empty(views: SavedViews) -> None:
    views.save("Mine", "gallery", "", actor="ada")
    for name, why in (("mine", "is there already"), ("  ", "1 to 80 characters, not 0"), ("x" * 81, "not 81")):
        with pytest.raises(QueryError, match=why):
            views.save(name, "gallery", "", actor="ada")
    with pytest.raises(QueryError, match="8,001 characters"):
        views.save("long", "gallery", "x" * (LONGEST_QUERY + 1), actor="ada")


def test_a_damaged_view_hides_no_other_and_a_handle_is_no_path(views: SavedViews, tmp_path: Path) -> None:
    views.save("mine", "gallery", "", actor="ada")
    (tmp_path / "views" / "view-000000000000.json").write_text('{"format": 9}')
    (tmp_path / "views" / "view-000000000001.json").write_text("{")
    assert [view.name for view in views.all()] == ["mine"]
    for handle in ("../roles", "view-../../x", ""):
        with pytest.raises(QueryError, match="is not the handle of a saved view"):
            views.delete(handle, "ada")


def test_who_may_only_look_saves_nothing(views: SavedViews, tmp_path: Path) -> None:
    roles = Roles(tmp_path / "roles.json")
    roles.set("olga", "owner", by="olga")
    roles.set("vera", "viewer", by="olga")
    with pytest.raises(NotAllowed):
        views.save("mine", "gallery", "", actor="vera")
    assert views.all() == []
