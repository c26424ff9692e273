"""The command line: the same verbs as the app, without a browser.

In: arguments. Out: results on standard output, progress and errors on standard error, an exit status.
"""

from __future__ import annotations

from .scan import app, main

__all__ = ["app", "main"]
