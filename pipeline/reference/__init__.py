"""The part of the documentation that is generated: keys of every file format, and results."""
