"""From a time as people and systems write it to an instant in UTC, in whole seconds.

A time without an offset is Taipei's.  The end of a time is the last second that it names: of the
minute for 23:59, of the day for a date alone.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

TAIPEI = ZoneInfo("Asia/Taipei")

_TIME = re.compile(
    r"(?P<day>[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2})"
    r"(?:[T ]\s*(?P<clock>[0-9]{1,2}:[0-9]{2})(?P<seconds>:[0-9]{2})?(?:\.[0-9]+)?)?"
    r"\s*(?P<offset>Z|[+-][0-9]{2}:?[0-9]{2})?",
    re.IGNORECASE,
)


def instant(text: str) -> datetime:
    """When something happened, in UTC; a fraction of a second is cut off.

    Raises ValueError if it is no time of a day.
    """
    begin, length = _read(text)
    if length > timedelta(minutes=1):
        raise ValueError(f"{text!r} is a day without a time")
    return begin


def end(text: str) -> datetime:
    """The last second of a deadline, in UTC.  Raises ValueError if it is no date or time."""
    begin, length = _read(text)
    return begin + (length - timedelta(seconds=1))


def said(when: datetime) -> str:
    """An instant as people are told it: "2024-12-10 23:59:59 Taipei"."""
    return f"{when.astimezone(TAIPEI):%Y-%m-%d %H:%M:%S} Taipei"


def _read(text: str) -> tuple[datetime, timedelta]:
    """When the second, minute or day that a text names begins, and how long it is."""
    match = _TIME.fullmatch(text.strip())
    try:
        if match is not None:
            return _begin(match).astimezone(UTC), _length(match)
    except (ValueError, OverflowError):  # a 13th month; a year before the first
        pass
    raise ValueError(f"{text!r} is no time, as in 2024-12-10T23:59:59+08:00")


def _begin(match: re.Match[str]) -> datetime:
    year, month, day = map(int, re.findall("[0-9]+", match["day"]))
    hour, minute = map(int, (match["clock"] or "0:0").split(":"))
    local = datetime(year, month, day, hour, minute, int((match["seconds"] or ":0")[1:]))
    offset = match["offset"]
    if not offset:
        return local.replace(tzinfo=TAIPEI)
    sign = offset.upper().replace("Z", "+0000").replace(":", "")
    return datetime.strptime(f"{local:%Y-%m-%d %H:%M:%S}{sign}", "%Y-%m-%d %H:%M:%S%z")


def _length(match: re.Match[str]) -> timedelta:
    if match["seconds"]:
        return timedelta(seconds=1)
    return timedelta(minutes=1) if match["clock"] else timedelta(days=1)
