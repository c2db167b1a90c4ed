"""All targets at once: parallel processes, one view, the lock file and the summaries for CI."""
