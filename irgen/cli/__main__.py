"""`python -m irgen.cli` is the same as `irgen`."""

from irgen.cli.app import main

main()
