"""What a call may use: a limit that it exceeds is said, and costs its own question, no other."""

import os
import re
import subprocess
import sys

import pytest

from grader.authoring import case
from grader.model import Outcome
from grader.sandbox import kernel
from tests.sandbox.conftest import asking, seen

pytestmark = pytest.mark.kernel

LIMITS = {
    "call_seconds": 1.5,
    "cell_seconds": 3,
    "memory_bytes": 2**28,
    "disk_bytes": 2**24,
    "processes": 40,
    "output_bytes": 2**20,
}
BEGIN = """import os, sys, threading, time

def double(x):
    return 2 * x
"""
LATE = "the call did not end within 1.5 s"
FULL = r" \(a notebook may write 16 MB(, in 20000 files)?\)"
EXCEEDING = {  # functions, and what is said of their first call
    "memory": (
        "kept = []\n    while True: kept.append(bytearray(2**24))",
        r"MemoryError \(a notebook may use 256 MB of memory\)",
    ),
    "memory of its workers": (
        """for _ in range(8):
        if not os.fork():
            try:
                held = b'1' * 2**26
                time.sleep(60)
            finally:
                os._exit(0)
    time.sleep(60)""",
        "the kernel died in this call: it used more than 256 MB of memory",
    ),
    "disk": (
        "with open('own', 'wb') as file:\n        while True: file.write(bytes(2**20))",
        rf"OSError: \[Errno (27|28)\] (File too large|No space left on device){FULL}",
    ),
    "threads": (
        "while True: threading.Thread(target=time.sleep, args=(2,)).start()",
        r"RuntimeError: can't start new thread \(at most 40 processes and threads\)",
    ),
    "prints": ("while True: print('x' * 10**6)", LATE),
    "prints below Python": ("while True: os.write(1, b'x' * 10**6)", LATE),
    "in C": ("return len(str(3 ** 10**8))", LATE),
    "a generator's end": ("return sum(1 for _ in iter(int, 1))", LATE),
    "deaf": (
        "while True:\n        try: time.sleep(60)\n        except BaseException: pass",
        LATE,
    ),
}


@pytest.fixture(scope="module")
def exceeded(observe):
    """What was seen of each of these functions, and of one that is asked after each."""
    functions = {name: f"f{number}" for number, name in enumerate(EXCEEDING)}
    cells = [f"def {functions[name]}(x):\n    {body}" for name, (body, _) in EXCEEDING.items()]
    questions = []
    for name in EXCEEDING:
        questions += [
            asking(functions[name], case(1), case(2)),
            asking("double", case(21), key=f"after {name}"),
        ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "INTERRUPT_SECONDS", 1)
        _, observed = observe([BEGIN, *cells], *questions, **LIMITS)
    return {
        name: (seen(observed[functions[name]]), seen(observed[f"after {name}"]))
        for name in EXCEEDING
    }


@pytest.mark.parametrize("name", EXCEEDING)
def test_what_a_call_exceeds_is_said(exceeded, name):
    first, second = exceeded[name][0]

    assert first.outcome is (Outcome.TIMED_OUT if EXCEEDING[name][1] == LATE else Outcome.RAISED)
    assert re.fullmatch(EXCEEDING[name][1], first.error)
    assert second.outcome is first.outcome


@pytest.mark.parametrize("name", EXCEEDING)
def test_the_next_question_does_not_pay_for_it(exceeded, name):
    assert [o.value for o in exceeded[name][1]] == [42]


def test_calls_that_are_each_in_time_have_a_bound_together(observe):
    slow = "def slow(x):\n    time.sleep(0.95)\n    return x"
    questions = [asking("slow", *map(case, range(20))), asking("double", case(21))]

    _, observed = observe([BEGIN, slow], *questions, **LIMITS)

    ends = [(o.outcome, o.error) for o in seen(observed["slow"])]
    returned = ends.count((Outcome.PASSED, ""))
    assert 2 <= returned <= 3
    assert ends[returned] == (Outcome.TIMED_OUT, "its calls together took more than 3 s")
    assert {outcome for outcome, _ in ends[returned:]} == {Outcome.TIMED_OUT}
    assert [o.value for o in seen(observed["double"])] == [42]


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: it tells who waits")
def test_time_for_which_others_had_the_processor_does_not_count(observe):
    cpu = max(os.sched_getaffinity(0))
    burns = f"""def burns(x):
    os.sched_setaffinity(0, {{{cpu}}})
    ends = time.monotonic() + 1.25
    while time.monotonic() < ends: pass
    return x"""
    hog = f"import os\nos.sched_setaffinity(0, {{{cpu}}})\nwhile True: pass"
    others = [subprocess.Popen([sys.executable, "-c", hog]) for _ in range(3)]
    try:
        _, observed = observe(
            [BEGIN, burns],
            asking("burns", case(1)),
            **{**LIMITS, "call_seconds": 1.2, "cell_seconds": 60},
        )
    finally:
        for other in others:
            other.kill()
            other.wait()

    (answer,) = seen(observed["burns"])
    assert (answer.outcome, answer.error, answer.value) == (Outcome.PASSED, "", 1)
