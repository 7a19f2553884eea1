"""`python -m ermu`."""

from ermu.cli import main

main()
