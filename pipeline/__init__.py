"""The chain from a dataset and a profile to a verified network: run folders, command line and reports."""
