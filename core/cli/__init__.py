"""The command line: the same verbs as the app, without a browser.

In: arguments. Out: results on standard output, progress and errors on standard error, an exit status: 0 done,
1 faults (`winnow check`), 2 refused (one sentence says why), 3 disk full, 130 cancelled.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ..errors import Cancelled, WinnowError
from ..storage.job_files import share_cores
from ..version import __version__
from . import agents, check, classes, doctor, export, label, log, roles, scan, serve, subsets, text
from .options import SectionedGroup

app = typer.Typer(
    name="winnow",
    cls=SectionedGroup,
    epilog="`winnow COMMAND --help` shows the options of a command, with examples.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _group in (scan, check, serve, label, log, classes, agents, roles, subsets, export, text, doctor):
    app.add_typer(_group.app)


def _print_version(requested: bool) -> None:
    if requested:
        print(__version__)
        raise typer.Exit


@app.callback()
def _all_commands(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find what is wrong in a labelled dataset, see why, and fix it in the browser."""


def main(argv: list[str] | None = None) -> None:
    """Run the command line. Errors that Winnow knows are one sentence on standard error, never a stack trace.

    Parameters
    ----------
    argv
        The arguments without the program's name; default: those of the process.

    Raises
    ------
    SystemExit
        Always, with the exit status.
    """
    share_cores()
    try:
        app(args=argv, prog_name="winnow")
    except WinnowError as error:
        print(f"winnow: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("winnow: stopped. Finished stages are kept: the same command goes on from here.", file=sys.stderr)
        sys.exit(Cancelled.exit_code)


__all__ = ["app", "main"]
