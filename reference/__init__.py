"""The assignments: one package each, written in the words of grader.authoring."""
