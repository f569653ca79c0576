"""Observations to verdicts.  Pure: no files, no clock, no student code."""
