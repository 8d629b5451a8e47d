"""``python -m solid.cli``: the command where it is not installed."""

from solid.cli import main

main()
