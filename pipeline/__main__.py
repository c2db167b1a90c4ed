"""`python -m pipeline` is `spikeport`."""

from pipeline.cli import main

main()
