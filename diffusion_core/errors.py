"""The errors that a user can meet, and the exit code each of them means.

Every message names the offending value, the rule that it breaks and the way
out, in one line.  The command line prints the message and leaves with the
code; it shows no traceback for any of these.
"""


class LectureError(Exception):
    """Something failed that the user can put right (exit code 1)."""

    exit_code = 1


class UsageError(LectureError):
    """An option or a name that no run could accept (exit code 2)."""

    exit_code = 2


class MissingRequirement(LectureError):
    """Something must be installed first (exit code 3)."""

    exit_code = 3


class PartFailed(LectureError):
    """Some of many jobs failed; the others are done (exit code 4)."""

    exit_code = 4


class DamagedFile(LectureError):
    """A recording or a checkpoint whose content is not what was written."""
