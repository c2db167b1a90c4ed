"""Labelled datasets, one file per format on disk, all ending in the same small type."""
