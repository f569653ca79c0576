"""Grade notebooks by comparing what they compute with what a reference computes."""

__version__ = "0.1.0"
