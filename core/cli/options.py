"""Options and output that the verbs share: ``--json``, ``--quiet``, the workspace, lists of ids, tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from ..errors import WinnowError, WorkspaceError
from ..storage.layout import Layout

START = "Start"
LOOK = "Look"
DECIDE = "Decide"
PEOPLE = "People"
CHOOSE = "Choose a subset"
EXPORT = "Export"
MACHINE = "This computer"
SECTIONS = (START, LOOK, DECIDE, CHOOSE, EXPORT, PEOPLE, MACHINE)
"""The sections of ``winnow --help``, in order."""

Json = Annotated[bool, typer.Option("--json", help="Write JSON for machines.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
WorkspacePath = Annotated[Path, typer.Argument(metavar="WS", help="The workspace directory.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is no earlier export of Winnow's.")]
Actor = Annotated[str | None, typer.Option(help="Who decides (default: your login name).")]


def in_section(section: str, *examples: str) -> dict[str, Any]:
    r"""Keywords for ``@app.command``: the section of ``winnow --help`` it stands in, and examples below its own help.

    Parameters
    ----------
    section
        One of :data:`SECTIONS`.
    examples
        Whole command lines, printed one a line.
    """
    # \b on a line of its own keeps the line breaks of the paragraph.
    return {"rich_help_panel": section, "epilog": "\n".join(("\b", "Examples:", *(f"  {e}" for e in examples)))}


class SectionedGroup(TyperGroup):
    """The commands in sections, each with its whole first sentence."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the sections of the help."""
        for section in SECTIONS:
            commands = [c for c in self.commands.values() if getattr(c, "rich_help_panel", None) == section]
            with formatter.section(section):
                formatter.write_dl([(str(c.name), c.get_short_help_str(1_000)) for c in commands])


def existing_layout(path: Path) -> Layout:
    """Paths of a workspace that need not be scanned to the end. Raises WorkspaceError where there is none."""
    layout = Layout(path.expanduser().absolute())
    if not layout.header.exists():
        raise WorkspaceError(f"There is no Winnow workspace at {path}.")
    return layout


def read_ids(path: Path) -> list[str]:
    """Ids, one a line. Raises WinnowError where the file cannot be read."""
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, UnicodeDecodeError) as error:
        raise WinnowError(f"{str(path)!r} cannot be read as a list of ids, one a line: {error}.") from error


def print_result(data: Any, as_json: bool, text: str = "", *, indent: int | None = 2) -> None:
    """Print the data as JSON, or the text."""
    print(json.dumps(data, ensure_ascii=False, indent=indent) if as_json else text)


def print_table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    left: Sequence[str] | None = None,
    title: str | None = None,
) -> None:
    """Print a table for people. Where standard output is no terminal, every row is one line and no cell is cut.

    Parameters
    ----------
    head
        Title of each column.
    rows
        Cells, printed as they are: square brackets are no markup.
    left
        Columns aligned to the left, the others to the right; None = all to the left.
    title
        A line above the table.
    """
    if title is not None:
        print(title)
    table = Table(box=None, pad_edge=False)
    for name in head:
        table.add_column(escape(name), justify="left" if left is None or name in left else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    if sys.stdout.isatty():
        Console().print(table)
        return
    wide = Console(width=1_000_000)
    width = wide.measure(table).maximum
    with wide.capture() as lines:
        wide.print(table, width=width)
    print("\n".join(line.rstrip() for line in lines.get().splitlines()))
