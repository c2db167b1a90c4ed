"""What hardware is: profiles, the integer network, its golden executor, footprints, fit rules and one folder per family.

Nothing here imports torch, and no family imports another (tests/test_layers.py).
"""
