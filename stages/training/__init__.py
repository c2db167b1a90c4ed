"""Training: the loop that both phases share, its checkpoints, and what is measured on a trained network."""
