"""``python -m senoscore``."""

from senoscore.cli import main

main()
