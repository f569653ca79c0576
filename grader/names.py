"""From a file's name to whose work it is, and back: every dialect of hand-in names.

The name asked for is the assignment's template.  What arrives has been renamed by browsers, by
Colab, by Canvas and by students; each such habit is one line of `_LAYERS`, taken off from the
outside in.  Whatever is left must say what the template says, or the name is not placed: a guess
would give one student's work to another.  What Canvas and NTU COOL put before a name when all
submissions are downloaded at once is read by `sent`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache

EXTENSION = ".ipynb"


@dataclass(frozen=True, slots=True)
class Named:
    """Whose notebook a file is, by its name.

    `resubmission` is (Canvas's upload number, the browser's copy number); a higher one is newer.
    Words such as "Copy of" do not count in it: they do not tell which of two files is newer.
    """

    student: str  # upper case, NFKC
    notebook: str
    resubmission: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Sent:
    """What an LMS says of one file, in the name that the file has in its zip of submissions.

    dialect     ntu_cool, group, anonymous, moodle or canvas
    file_name   as the student named it; if nothing was uploaded, text.html, link.html, or Moodle's
                onlinetext.html
    user        Canvas's number of who handed it in; in the anonymous dialect, the anonymous id; in
                Moodle's, the participant's number, which is another for each of its assignments
    attachment  Canvas's number of the file; empty for a text or a link
    login       the account's, without what follows its @; ntu_cool only
    name        the person's or the group's, as far as the dialect leaves it whole
    late        whether Canvas marked it LATE; if not, nothing is known
    """

    dialect: str
    file_name: str
    user: str
    attachment: str = ""
    login: str = ""
    name: str = ""
    late: bool = False

    @property
    def uploaded(self) -> bool:
        """Whether it is a file of the student's, and not a text or link typed into a form."""
        return bool(self.attachment) or (
            self.dialect == "moodle" and self.file_name != "onlinetext.html"
        )


_ABOVE_SEVEN = 8  # Canvas numbers uploads of one name -1 to -7; from the next on it adds a UUID
_SEPARATOR = r"[_\-\s]+"
_COPY = r"(?:副本|複本|复本|複製|复制|拷貝|拷贝)"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

_LAYERS = tuple(
    re.compile(layer, re.IGNORECASE | re.DOTALL)
    for layer in (
        r"(?P<rest>.+)\.ipynb",
        rf"copy{_SEPARATOR}of{_SEPARATOR}(?P<rest>.+)",  # Colab
        r"[「『“](?P<rest>.+)[」』”]",  # Colab puts the whole old name, extension and all, in these
        # Windows; the number after its word counts copies, so it is not the browser's
        rf"(?P<rest>.+?)\s*-\s*(?:copy|{_COPY})(?:\s*\([0-9]{{1,3}}\))?",
        rf"(?P<rest>.+?)(?:[_\s]+copy|[_\s]*的?{_COPY})(?:\s+[0-9]{{1,3}})?",  # macOS, Colab
        r"(?P<rest>.+?)[_\-\s]*\((?P<browser>[0-9]{1,3})\)",
        r"(?P<rest>.+)-(?P<canvas>[1-7])",
        rf"(?P<rest>.+)-(?P<uuid>{_UUID})",
    )
)

_NUMBERS = re.compile(
    r"(?=_(?P<user>[0-9]+)_(?P<attachment>[0-9]+)_(?P<file>.+))", re.DOTALL
)  # looks ahead only, so that readings may overlap
_TYPED = re.compile(r"(?P<before>.*)_(?P<user>[0-9]+)_(?P<file>(?:text|link)\.html)", re.DOTALL)
_ANONYMOUS = re.compile(
    r"(?P<late>LATE_)?anon_(?P<user>[A-Za-z0-9]+)_"
    r"(?:(?P<typed>(?:text|link)\.html)|(?P<attachment>[0-9]+)_(?P<file>.+))",
    re.DOTALL,
)
_MOODLE = re.compile(
    # the first such part: names there have spaces for "_", and files may be named as they like
    r"(?P<name>.*?)_(?P<user>[0-9]+)_assignsubmission_(?:file|onlinetext)_(?P<file>.*)",
    re.DOTALL,
)


def parse(file_name: str, template: str, notebooks: Collection[str]) -> Named | None:
    """Whose notebook the file is; None if its name does not say.

    file_name  the last part of a path
    template   the name asked for: "{student}_week14_{notebook}_homework.ipynb"
    notebooks  the keys that may stand for {notebook}

    Case, and the choice among `_`, `-` and spaces, do not matter.
    """
    found = None
    for rest, resubmission in _readings(file_name):
        for notebook in sorted(notebooks):
            match = _pattern(template, notebook).fullmatch(rest)
            if match and _is_id(match["student"]):
                # the innermost reading wins: "colab1-1" is colab1 uploaded again, and "colab-1"
                # is colab1 only because nothing is left of "colab" without its number
                found = Named(student_id(match["student"]), notebook, resubmission)
    return found


def parse_of(file_name: str, student: str, notebooks: Collection[str]) -> Named | None:
    """Which notebook a file of this student is; None if its name holds no key, or several."""
    found = None
    for rest, resubmission in _readings(file_name):
        within = [key for key in sorted(notebooks) if _mentioned(key).search(rest)]
        if len(within) == 1:
            found = Named(student, within[0], resubmission)
    return found


def _readings(file_name: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """A notebook's name with one layer after the other taken off, and the resubmission so far."""
    if not ends_as_notebook(file_name):
        return
    rest = _plain(file_name)
    canvas = browser = 0
    while layer := next(filter(None, (layer.fullmatch(rest) for layer in _LAYERS)), None):
        parts = layer.groupdict()
        rest = parts["rest"].strip()
        browser += int(parts.get("browser") or 0)
        # added up, because Canvas names a second upload of "x-1" "x-1-1": newer than "x-1"
        canvas += int(parts.get("canvas") or 0) + (_ABOVE_SEVEN if parts.get("uuid") else 0)
        yield rest, (canvas, browser)


def sent(path: str, template: str, notebooks: Collection[str]) -> Sent | None:
    """What an LMS says in a file's name; None if no LMS gave it this name.

    path  in the zip, with "/": NTU COOL does not clean display names, so one with a "/" in it
          arrives as a folder, and Moodle makes a folder for each student, or puts its name before
          that of the file

    Names and file names may hold numbers between underscores, as the LMS's own part does: of
    several readings the one counts that leaves a name of the template, else the first.
    """
    parts = path.split("/")
    for i, part in enumerate(parts):  # the outermost: nobody becomes another by a "/" in a name
        if "#_" in part and not part.startswith("#_"):
            return _ntu_cool("/".join(parts[i:]), template, notebooks)
    name = parts[-1]
    if match := _ANONYMOUS.fullmatch(name):
        typed = match["typed"] or ""
        return Sent(
            "anonymous",
            typed or match["file"],
            match["user"],
            match["attachment"] or "",
            late=bool(match["late"]),
        )
    return _moodle(parts) or _canvas(name, template, notebooks)


def _moodle(parts: list[str]) -> Sent | None:
    for i, part in enumerate(parts):
        match = _MOODLE.fullmatch(part)
        is_folder = i < len(parts) - 1
        if match and is_folder != bool(match["file"]):
            return Sent("moodle", match["file"] or parts[-1], match["user"], name=match["name"])
    return None


def _ntu_cool(name: str, template: str, notebooks: Collection[str]) -> Sent | None:
    login, _, body = name.partition("#")
    found = _numbered(body, template, notebooks)
    if found is None:
        return None
    before, user, attachment, file_name = found
    if before:
        return Sent("ntu_cool", file_name, user, attachment, login=login, name=before[1:])
    return Sent("group", file_name, user, attachment, name=login)


def _canvas(name: str, template: str, notebooks: Collection[str]) -> Sent | None:
    found = _numbered(name, template, notebooks)
    if found is None:
        return None
    before, user, attachment, file_name = found
    if not all(c == "_" or unicodedata.category(c)[0] in "LMN" for c in before):
        return None
    person = before.removesuffix("_LATE")
    return Sent("canvas", file_name, user, attachment, name=person, late=person != before)


def _numbered(
    text: str, template: str, notebooks: Collection[str]
) -> tuple[str, str, str, str] | None:
    """What stands before two numbers, the numbers (the second is empty for what was typed into a
    form), and what stands after them; a "/" in the last makes it none."""
    if match := _TYPED.fullmatch(text):
        return match["before"], match["user"], "", match["file"]
    found = [
        (text[: match.start()], match["user"], match["attachment"], match["file"])
        for match in _NUMBERS.finditer(text)
        if "/" not in match["file"]
    ]
    asked_for = [
        reading
        for reading in found
        if parse(f"{_stem(reading[3])}{EXTENSION}", template, notebooks)
    ]
    return next(iter(asked_for or found), None)


def _stem(file_name: str) -> str:
    return file_name.rpartition(".")[0] or file_name


def ends_as_notebook(file_name: str) -> bool:
    """Whether the name claims to be a notebook's."""
    return _plain(file_name).lower().endswith(EXTENSION)


def canonical(student: str, notebook: str, template: str) -> str:
    """The name asked for: "R13940001_week14_colab1_homework.ipynb"."""
    fields = {"{student}": student, "{notebook}": notebook}
    return re.sub(r"\{student\}|\{notebook\}", lambda field: fields[field[0]], template)


def expected(template: str, notebooks: Collection[str]) -> str:
    """The name asked for, as told to people: "<ID>_week14_colabN_homework.ipynb"."""
    stems = {re.sub(r"[0-9]+$", "", notebook) for notebook in notebooks}
    numbered = len(stems) == 1 and not stems & set(notebooks)
    notebook = f"{stems.pop()}N" if numbered else f"<{' or '.join(sorted(notebooks))}>"
    return canonical("<ID>", notebook, template)


def student_id(text: str) -> str:
    """The one way of writing a student's id: upper case, NFKC."""
    # twice: a capital letter can have a shorter form of its own
    return _plain(_plain(text).upper())


def _plain(text: str) -> str:
    """The text in NFKC, without the invisible characters that copying a name brings along."""
    visible = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFKC", visible).strip()


def _is_id(text: str) -> bool:
    """Whether it can be an id: letters and digits, with hyphens and dots inside.

    Nothing more: ids have nine characters at one university only, and guests' begin as they like.
    """
    return all(c in "-." or _is_of_word(c) for c in text) and _is_of_word(text[0] + text[-1])


def _is_of_word(text: str) -> bool:
    """Whether these are letters of any script, their accents, or the digits 0 to 9."""
    return all(unicodedata.category(c)[0] in "LM" or c in "0123456789" for c in text)


@lru_cache
def _pattern(template: str, notebook: str) -> re.Pattern[str]:
    """What a name says, without its extension, if it is this notebook's."""
    stem = template[: -len(EXTENSION)] if template.lower().endswith(EXTENSION) else template
    pattern = ""
    for part in re.split(rf"(\{{student\}}|\{{notebook\}}|{_SEPARATOR})", _plain(stem)):
        if part == "{student}":
            pattern += r"(?P<student>[^_\s]*[^_\s\-])"
        elif part == "{notebook}":
            pattern += _loosely(notebook)
        elif re.fullmatch(_SEPARATOR, part):
            pattern += _SEPARATOR
        elif part.lower() == "homework":
            pattern += r"(?:homework|hw)"
        else:
            pattern += _loosely(part)
    tail = rf"{_SEPARATOR}(?:homework|hw)"
    if pattern.endswith(tail):
        pattern = f"{pattern.removesuffix(tail)}(?:{tail})?"
    return re.compile(pattern, re.IGNORECASE)


@lru_cache
def _mentioned(notebook: str) -> re.Pattern[str]:
    """A pattern for the notebook's key as a word of its own: "colab1", not "colab12"."""
    return re.compile(rf"(?<![^\W_]){_loosely(notebook)}(?![^\W_])", re.IGNORECASE)


def _loosely(word: str) -> str:
    """A pattern for "colab1" that "colab 1" and "colab_1" fit too."""
    return r"[_\-\s]*".join(map(re.escape, re.findall(r"[0-9]+|[^0-9_\-\s]+", _plain(word))))
