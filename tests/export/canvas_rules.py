"""What Canvas and NTU COOL do with the files that a teacher uploads, by their own rules.

Written from the rules alone: it imports nothing of the grader, so that both can be wrong apart.
"""

import csv
import io
import re
from dataclasses import dataclass, field

EMPTY_CELLS = ("", "Muted", "Manual Posting")
IGNORED = re.compile(r"(Current|Final) (Score|Points|Grade)|Override")


class RefusedByCanvas(Exception):
    """The import ends with an error message, or asks whether to make a new assignment."""


@dataclass
class Person:
    user: str
    name: str
    login: str
    sis: str = ""


@dataclass
class Course:
    """people; title and points possible by assignment number; scores by (assignment, user)."""

    people: list[Person]
    assignments: dict[str, tuple[str, float]]
    scores: dict[tuple[str, str], str] = field(default_factory=dict)

    def changed_by(self, data, ntu_cool=True):
        """The scores that importing these bytes would change, by (assignment, user)."""
        rows = list(csv.reader(io.StringIO(_decoded(data, ntu_cool), newline="")))
        first, ids = self._header(rows[0])
        columns = {
            place: self._assignment(title)
            for place, title in enumerate(rows[0][first:], first)
            if not IGNORED.search(title)
        }
        changes = {}
        for row in rows[1:]:
            if "Points Possible" in row[0]:
                for place, number in columns.items():
                    assert row[place] in ("", "(read only)"), f"changes what {number} is out of"
                continue
            if all(cell in EMPTY_CELLS for cell in row):
                continue
            person = self._person(row, ids)
            for place, number in columns.items():
                score = self._score(row[place])
                now = self.scores.get((number, person.user), "")
                if _compared(score) != _compared(now):
                    assert (number, person.user) not in changes, f"{person} stands in it twice"
                    changes[number, person.user] = score
        return changes

    def _header(self, header):
        if len(header) < 4 or "Student" not in header[0] or "ID" not in header[1]:
            raise RefusedByCanvas("Invalid header row")
        ids = {1: "user"}
        if header[2] == "SIS Login ID":
            ids[2] = "login"
        elif header[2:4] == ["SIS User ID", "SIS Login ID"]:
            ids |= {2: "sis", 3: "login"}
        section = max(ids) + 1
        if "Section" not in header[section]:
            raise RefusedByCanvas("Invalid header row")
        return section + 1, ids

    def _assignment(self, heading):
        numbered = re.fullmatch(r"(.*)\s\((\d+)\)", heading)
        if numbered and numbered[2] in self.assignments:
            return numbered[2]
        for number, (title, _) in self.assignments.items():
            if title == heading:
                return number
        raise RefusedByCanvas(f"make a new assignment {heading!r}?")

    def _person(self, row, ids):
        for place, kind in sorted(
            ids.items(), key=lambda item: ["user", "sis", "login"].index(item[1])
        ):
            for person in self.people:
                if row[place] and getattr(person, kind) == row[place]:
                    return person
        for person in self.people:
            if person.name == row[0]:
                return person
        raise RefusedByCanvas(f"who is {row}?")

    def _score(self, cell):
        if cell.upper() == "EX":
            return "EX"
        assert re.fullmatch(r"-?[0-9]+([.,][0-9]+)?%?|-|", cell), f"no score: {cell!r}"
        return cell.replace(",", ".")


def _decoded(data, ntu_cool):
    """NTU COOL takes a file for Big5 first, and for UTF-8 only if it cannot be that."""
    if ntu_cool:
        try:
            return data.decode("cp950")
        except UnicodeDecodeError:
            pass
    return data.decode("utf-8-sig")


def _compared(score):
    try:
        return f"{float(score):.2f}"
    except ValueError:
        return {"-": "", "N/A": ""}.get(score, score)


def comes_back_to(name):
    """(user, attachment) to which Canvas takes a file of this name; (None, None) if to nobody."""
    base = name.rpartition("/")[2]
    if base.startswith("._"):
        return None, None
    parts = [part for part in base.split("_") if part != "LATE"]
    if parts[0] == "anon" and len(parts) > 3 and re.fullmatch(r"\d+", parts[2]):
        return parts[1], parts[2]
    numbers = [part for part in parts if re.fullmatch(r"\d+", part)]
    return tuple(numbers[:2]) if len(numbers) > 1 else (None, None)
