"""Training-free scores of architectures, one file a score, and the probe that runs untrained networks for them."""
