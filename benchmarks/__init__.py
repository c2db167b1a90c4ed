"""Comparisons of speed and memory, run by hand or by make bench-..., never in timed tests."""
