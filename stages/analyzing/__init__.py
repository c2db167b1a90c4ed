"""The studies behind analyze: repeats over seeds, significance of operations, kernel sizes."""
