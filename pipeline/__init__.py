"""The chain: command line, run folders, reports. The only layer that knows the order of the stages."""
