"""Spiking networks as this project searches and trains them: cells, their lowering to populations, and the torch side."""
