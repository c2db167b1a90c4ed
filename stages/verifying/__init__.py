"""The studies behind verify: replaying the test set, comparing values and memory, and where both happen."""
