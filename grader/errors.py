"""Everything the grader itself can raise.  A student's failure is never one of these.

* GraderError
  + UsageError          what was asked for cannot be done: a path, an option, grader.toml
  + AssignmentError     the assignment package is wrong: fix it under reference/
  + SubmissionError     one file cannot be taken in; it needs a person, the others go on
  + SandboxError        a kernel could not be started or reached: ours, no student pays for it
    + PipeError         pipe kernels cannot be started at all; cold ones may do
  + StoreError          the run folder cannot be read or written
"""


class GraderError(Exception):
    """Base class of every error that the grader reports; its text is one or two lines."""


class UsageError(GraderError):
    """What was asked for cannot be done; nothing has been run."""


class AssignmentError(GraderError):
    """The assignment package is wrong; the message names the question and what to change."""


class SubmissionError(GraderError):
    """A submitted file cannot be taken in; no student code has run."""


class SandboxError(GraderError):
    """The kernel failed for reasons of ours; it says nothing about the student's work."""


class PipeError(SandboxError):
    """The process from which kernels are forked does not start; no notebook was run."""


class StoreError(GraderError):
    """The run folder cannot be used, or holds something that this version did not write."""
