"""Winnow's engine: find what is wrong in a labelled dataset.

In: a source, and the decisions of people. Out: everything that the app, the command line and notebooks use. The names
are listed in ``__init__.pyi`` and imported when they are first used.

>>> from winnow.core import Workspace                               # doctest: +SKIP
>>> ws = Workspace.scan("photos/", "photos.winnow")                 # doctest: +SKIP
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
