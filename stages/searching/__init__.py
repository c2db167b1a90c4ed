"""What search is made of: the space of cells, sizing and scoring of candidates, their log, and the search algorithms."""
