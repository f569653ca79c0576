"""Verdicts to grades to a gradebook.  Pure, as judging is."""
