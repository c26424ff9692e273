"""Hooks of the documentation's build: pages from elsewhere in the repository, links between them, nothing external.

Links in Markdown are relative to the file in the repository, so that they work there too. The site holds the pages of
``docs/`` at its root, and ``assets/`` and the pages at the repository's root beside them.
"""

from __future__ import annotations

import posixpath
import re
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
SHARED = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "assets/*.md",
    "assets/*.svg",
    "assets/benchmarks/*.md",
    "assets/decisions/*.md",
    "assets/screenshots/*",
)
_IMPORTS = tempfile.TemporaryDirectory(prefix="winnow-docs-")
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):\s*(?=<code>)")
_EXTERNAL = re.compile(
    r"<(?:script|img|iframe)[^>]+src=\"?(?:https?:)?//|<link[^>]+href=\"?(?:https?:)?//[^>]+stylesheet|@import"
)


@event_priority(100)  # before mkdocstrings reads its configuration
def on_config(config: Any) -> Any:
    """Show the API reference a folder in which ``core/`` and ``app/`` stand under the names that they install as."""
    package = Path(_IMPORTS.name) / "winnow"
    package.mkdir(exist_ok=True)
    for name in ("core", "app"):
        if not (package / name).exists():
            (package / name).symlink_to(ROOT / name, target_is_directory=True)
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [str(package.parent)]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages and pictures that live outside ``docs/`` under their path in the repository."""
    for pattern in SHARED:
        for path in sorted(ROOT.glob(pattern)):
            uri = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Turn links within the repository into links within the site; of what the site does not hold, the text stays."""
    uri = page.file.src_uri
    here = uri if page.file.generated_by else f"docs/{uri}"

    def replace(match: re.Match[str]) -> str:
        mark, text, link = match.groups()
        path, sign, anchor = link.partition("#")
        if not path or re.match(r"[a-z]+:", path):
            return match.group(0)
        target = posixpath.normpath(posixpath.join(posixpath.dirname(here), path))
        target = target.removeprefix("docs/") if target.startswith("docs/") else target
        if files.get_file_from_path(target) is None:
            if mark or not (ROOT / target).exists():
                raise PluginError(f"{here}: {link} leads nowhere")
            return text
        return f"{mark}[{text}]({posixpath.relpath(target, posixpath.dirname(uri) or '.')}{sign}{anchor})"

    return _LINK.sub(replace, markdown)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Drop roles of docstrings, which Markdown does not know; refuse a page that loads something from elsewhere."""
    if match := _EXTERNAL.search(output):
        raise PluginError(f"{page.file.src_uri} loads something from elsewhere: {match.group(0)}")
    return _ROLE.sub("", output)
