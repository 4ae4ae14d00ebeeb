"""Strategies: which instances, when, and how many at once. Pure: an observation in, moves out."""
