"""How Canvas, NTU COOL and Moodle name the files in a zip of submissions, by their own rules.

Written from the rules alone: it imports nothing of the grader, so that both can be wrong apart.
"""

import re

FORBIDDEN = re.compile(r'[\x00/\\:*?"<>|]')


def uploaded(name):
    """A student's file name as Canvas keeps it."""
    return FORBIDDEN.sub("_", name)


def words(name):
    """A sortable name as Canvas writes it: lower case, and nothing that is not of a word."""
    return re.sub(r"\W", "", name.lower())


def canvas(sortable, user, attachment, file_name, late=False):
    return f"{words(sortable)}{'_LATE' * late}_{user}_{attachment}_{uploaded(file_name)}"


def anonymous(anonymous_id, attachment, file_name, late=False):
    return f"{'LATE_' * late}anon_{anonymous_id}_{attachment}_{uploaded(file_name)}"


def ntu_cool(login, display, user, attachment, file_name):
    """The display name is written as it is, and a login without its domain."""
    return f"{login.partition('@')[0]}#_{display}_{user}_{attachment}_{uploaded(file_name)}"


def group(name, user, attachment, file_name):
    return f"{name}#_{user}_{attachment}_{uploaded(file_name)}"


def moodle(person, number, file_name, in_folders=True):
    """Spaces stand for "_" in a name, and neither it nor the file's holds a "/"."""
    before = f"{person.replace('_', ' ').replace('/', '')}_{number}_assignsubmission_file_"
    return f"{before}{'/' * in_folders}{uploaded(file_name)}"


def numbered(name, upload, uuid):
    """A student's upload of a name that was there before: the first has no number."""
    if upload == 0:
        return name
    stem, dot, extension = name.rpartition(".")
    return f"{stem}-{upload if upload < 8 else uuid}{dot}{extension}"
