"""From a gradebook to what an LMS takes back, and to what a third person can check."""
