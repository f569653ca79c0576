"""From what a notebook printed to how its losses fell: the evidence that a model was trained.

Nothing here costs points.  A line is read as people write it: PyTorch's examples, tqdm's postfixes,
f-strings in English or Chinese, dictionaries, lists.  Losses are in nats; a perplexity p that
stands alone is read as the loss log p.

Who prints may print anything: no pattern here goes back over what it has read (`*+`, `++`), or a
line of blanks or digits would take hours.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from grader.model import Curve, Execution, Losses, NotebookCell, Training

NOT_TRAINED = "not_trained"
MOST_READINGS = 5_000

_SERIES = {
    "train": r"train(?:ing)?|訓練|训练",
    "valid": r"valid(?:ation)?|val|dev|eval(?:uat(?:e|ion|ing))?|驗證|验证",
    "test": r"test(?:ing)?|測試|测试",
}
_OF = re.compile(
    "|".join(rf"(?P<{name}>(?<![a-z])(?:{words})(?![a-z]))" for name, words in _SERIES.items()),
    re.IGNORECASE,
)
_VALUE = (
    r"nan|inf|[-+]?(?:\d{1,3}(?:,\d{3})+(?![\d])(?:\.\d++)?|\d++(?:\.\d*+)?|\.\d++)"
    r"(?:e[-+]?\d{1,4}(?!\d))?"
)
_LOSS = re.compile(
    r"""(?: (?<![a-z]) (?: (?P<loss> loss(?:es)? | nll | cross[-_ ]?entropy )
                         | (?P<perplexity> ppls? | perplexit(?:y|ies) ) ) (?![a-z])
          | (?P<chinese_loss> (?:損失|损失)(?:函數|函数)?值? )
          | (?P<chinese_perplexity> 困惑度|混淆度 ) )
        (?: [\s:=\uff1a|'"()\[\]>→~≈_]*+ (?: ->\s*+ )?   # loss: 5.43, 'loss': tensor(5.43
          | \s per \s (?:token|word|batch|sample|step) \s*+
          | [^\n=:\uff1a|,\uff0c;\d]{0,30}      # loss after epoch 3: 5.43
            (?: \d++ [^\n=:\uff1a|,\uff0c;\d]{0,10} )? [=:\uff1a]\s*+ )
        (?: (?: of | is | was | about | around | 約 | 约 | 大約 | 為 | 为 | 是 ) \s*+ ){0,3}
        (?: tensor\( | np\.float\d\d\( )? \s*+
    """
    rf"(?P<value>{_VALUE})(?![a-z\d])(?!\s*%)",
    re.IGNORECASE | re.VERBOSE,
)
_LIST = re.compile(rf"\[\s*+((?:(?:{_VALUE})\s*+,\s*+)++(?:{_VALUE})?)\s*+\]", re.IGNORECASE)
_BEST = re.compile(r"(?<![a-z])(?:best|lowest|minimum|min)(?![a-z])|最佳|最好|最低", re.IGNORECASE)
_EPOCH = re.compile(
    r"(?<![a-z])epoch(?!s)\s*+(?:no\.?|#)?\s*+['\"\[(:=#|\uff1a]*+\s*+(\d{1,9})(?!\d)"
    r"|第\s*+(\d{1,9})\s*+(?:個|个)?\s*+(?:輪|轮|回合|代|epoch|週期|周期)"
    r"|(?:輪次|轮次|回合|週期|周期)\s*+[#:=\[(\uff1a]?\s*+(\d{1,9})(?!\d)",
    re.IGNORECASE,
)
_BATCH = re.compile(
    r"(?<![/a-z])(?:batch(?!_?\s?size)(?:es)?|step|iter(?:ation)?|批次?|步)(?:_?idx|_?num)?"
    r"\s*+[\[(:=#|\uff1a]*+\s*+(\d{1,9})(?!\d)(?:\s*+(?:/|of)\s*+(\d{1,9})(?!\d))?"
    r"|(?<!\d)(\d{1,9})\s*+/\s*+(\d{1,9})\s*+(?:batches|steps|\[|批)",
    re.IGNORECASE,
)
_COLOUR = re.compile(r"\x1b\[[\d;]*+m")
_GAP = re.compile(r"\s*\|\s*|\t+|\s{2,}|,\s*")  # between the cells of a table
_NUMBER = re.compile(_VALUE, re.IGNORECASE)
_RULE = re.compile(r"[\s|+:=-]*+")  # below its head
_BAR = re.compile(r"\d%\|")  # of tqdm
_ABOUT_LOSS = re.compile(r"loss|ppl|perplexity|損失|损失|困惑", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Reading:
    """A loss as it was printed, and how far the training was by the same line or those before."""

    series: str
    loss: float
    perplexity: bool
    epoch: int | None = None
    batch: int | None = None
    of: int | None = None
    listed: bool = False


def curve(texts: Iterable[str]) -> Curve:
    """The losses in the texts that cells printed, in their order."""
    every = (reading for text in texts for reading in _readings(text))
    readings = list(islice(every, MOST_READINGS))
    told = {reading.series for reading in readings if not reading.listed}
    kept = [r for r in readings if not r.listed or r.series not in told]
    unit, places = _places(kept)
    series = []
    for name in _SERIES:
        own = [(at, r.loss) for at, r in zip(places, kept, strict=True) if r.series == name]
        if own:
            series.append(Losses(name, tuple(at for at, _ in own), tuple(loss for _, loss in own)))
    return Curve(unit, tuple(series), any(reading.perplexity for reading in kept))


def training(cells: Sequence[NotebookCell], execution: Execution) -> Training:
    """What the handed-in file shows of its training, and what our run of it printed."""
    ended = next((note for note in execution.adapted if note.startswith("training was ended")), "")
    return Training(
        curve(cell.output for cell in cells),
        curve(printed.text for printed in execution.printed),
        shown=any(map(_shows_training, cells)),
        ended=ended,
    )


def quoted(text: str) -> Iterator[tuple[str, float, float]]:
    """The losses and perplexities that a text of a person's quotes: how it is written, its value,
    and how far off a number may be that was rounded to it."""
    for line in text.splitlines():
        for match in _LOSS.finditer(line):
            written = match["value"]
            value = _number(written)
            if math.isfinite(value):
                digits, _, exponent = written.lower().partition("e")
                decimals = len(digits.partition(".")[2])
                yield written, value, 0.5 * float(f"1e{int(exponent or 0) - decimals}")


def numbers(text: str) -> Iterator[float]:
    """Every number that stands in a text."""
    for match in re.finditer(rf"(?<![\w.])(?:{_VALUE})", text, re.IGNORECASE):
        yield _number(match[0])


def _shows_training(cell: NotebookCell) -> bool:
    if cell.kind != "code" or not cell.output:
        return False
    if "<Figure" in cell.output and _ABOUT_LOSS.search(cell.source):
        return True
    patterns = (_LOSS, _EPOCH, _BAR)
    return any(pattern.search(cell.output) for pattern in patterns)


def _readings(text: str) -> Iterator[_Reading]:
    epoch = None
    for line in _named_rows(_COLOUR.sub("", text).splitlines()):
        said = _EPOCH.search(line)
        if said:
            epoch = int(said[1] or said[2] or said[3])
        at = _BATCH.search(line)
        batch, of = (at[1] or at[3], at[2] or at[4]) if at else (None, None)
        found = [
            replace(
                reading,
                epoch=epoch,
                batch=int(batch) if batch else None,
                of=int(of) if of else None,
            )
            for reading in _of_line(line)
        ]
        losses = {reading.series for reading in found if not reading.perplexity}
        told = {reading.series for reading in found if reading.perplexity}
        for reading in found:
            if not reading.perplexity or reading.series not in losses:
                # the perplexity beside a loss says the same once more
                yield replace(reading, perplexity=reading.series in told)


def _named_rows(lines: Iterable[str]) -> Iterator[str]:
    """The lines, with the name of its column before each number in the rows of a table."""
    names: list[str] = []
    for line in lines:
        cells = [cell.strip() for cell in _GAP.split(line.strip(" |\t")) if cell.strip()]
        if len(cells) > 1 and any(map(_ABOUT_LOSS.search, cells)) and not _NUMBER.search(line):
            names = cells
        elif names and len(cells) == len(names) and all(map(_NUMBER.fullmatch, cells)):
            yield ", ".join(f"{name}: {cell}" for name, cell in zip(names, cells, strict=True))
            continue
        elif names and not _RULE.fullmatch(line):
            names = []
        yield line


def _of_line(line: str) -> Iterator[_Reading]:
    """The losses in a line; each belongs to the series that was named last before it."""
    series, end = "train", 0
    for match in _LOSS.finditer(line):
        before = line[end : match.start("value")]
        for named in _OF.finditer(before.replace("_", " ")):
            series = str(named.lastgroup)
        perplexity = bool(match["perplexity"] or match["chinese_perplexity"])
        opens = line.rfind("[", match.start(), match.start("value"))
        several = _LIST.match(line, opens) if opens >= 0 else None
        if several:
            for value in re.findall(_VALUE, several[1], re.IGNORECASE):
                yield _Reading(series, _as_loss(value, perplexity), perplexity, listed=True)
        elif not _BEST.search(before):
            yield _Reading(series, _as_loss(match["value"], perplexity), perplexity)
        end = match.end()


def _number(written: str) -> float:
    return float(written.replace(",", ""))


def _as_loss(written: str, perplexity: bool) -> float:
    value = _number(written)
    if not perplexity:
        return value
    return math.log(value) if value > 0 else math.nan


def _places(readings: Sequence[_Reading]) -> tuple[str, list[float]]:
    """How far the training was at each reading, and in which unit: epochs, steps, or, where no
    line says either, lines of the same series."""
    epochs = [reading.epoch for reading in readings if reading.epoch is not None]
    steps = [reading.batch for reading in readings if reading.batch is not None]
    if epochs:
        return "epoch", list(_in_epochs(readings, 1 if min(epochs) == 0 else 0, max(steps or [1])))
    if steps:
        return "step", list(_one_after_another(reading.batch for reading in readings))
    lines: dict[str, int] = {}
    places = []
    for reading in readings:
        lines[reading.series] = lines.get(reading.series, 0) + 1
        places.append(float(lines[reading.series]))
    return "line", places


def _in_epochs(readings: Sequence[_Reading], first: int, most: int) -> Iterator[float]:
    """first is added to every epoch; most is the number of the last batch, if no line says it."""
    trainings = list(_trainings(readings))
    keys = [(of, r.series, r.epoch) for of, r in zip(trainings, readings, strict=True)]
    times = Counter(k for k, r in zip(keys, readings, strict=True) if r.batch is None)
    done: Counter[tuple[int, str, int | None]] = Counter()
    lasted = [0] * (max(trainings) + 1)  # the epochs of each training
    for of, reading in zip(trainings, readings, strict=True):
        lasted[of] = max(lasted[of], (reading.epoch or 0) + first)
    reached = 0.0
    for key, reading in zip(keys, readings, strict=True):
        done[key] += reading.batch is None
        if reading.epoch is None:
            yield float(done[key]) if reading.listed else reached
            continue
        if reading.batch is None:
            part = done[key] / times[key]
        else:
            part = min(1.0, reading.batch / (reading.of or most or 1))
        reached = sum(lasted[: key[0]]) + reading.epoch + first - 1 + part
        yield reached


def _trainings(readings: Iterable[_Reading]) -> Iterator[int]:
    """Of which training each reading is: another begins where the epochs do so anew."""
    number = latest = 0
    for reading in readings:
        if reading.epoch is not None:
            number += reading.epoch < latest
            latest = reading.epoch
        yield number


def _one_after_another(steps: Iterable[int | None]) -> Iterator[float]:
    """Steps that begin anew go on from where the ones before ended."""
    before = latest = 0
    for step in steps:
        if step is not None and step < latest:
            before, latest = before + latest, 0
        latest = latest if step is None else step
        yield float(before + latest)
