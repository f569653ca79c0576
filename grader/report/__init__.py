"""Gradebook to files and to the terminal."""
