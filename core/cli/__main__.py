"""``python -m winnow.core.cli``."""

from . import main

main()
