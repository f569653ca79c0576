"""Submission to Execution and Observations: the only folder that meets student code."""
