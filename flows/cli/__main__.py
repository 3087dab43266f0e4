"""`python -m flows.cli` is `memshield`."""

from flows.cli.app import main

main()
