"""Where our time goes: stamps of CPU time in the host, the zygote and the kernels, and a profile.

    python inside_out.py first <file>...           seconds until each file's first cell has ended
    python inside_out.py host <profile> <word>...  `grader` with these words, stamped or profiled

It reaches into the grader from outside: what it no longer finds there is missing from the table.
"""

import asyncio
import base64
import contextlib
import cProfile
import functools
import json
import marshal
import pstats
import resource
import sys
import time
from pathlib import Path

# appended to the zygote's own text; a board of sums that all forks share
STAMPS = '''
import mmap as _mmap, resource as _resource, struct as _struct, time as _time

_BOARD, _ROWS, _LAST = _mmap.mmap(-1, 65536), [], [0.0, 0.0]
_NAMES = """zygote: fork a kernel
kernel: forked
kernel: walls up
kernel: ready
kernel: first cell
kernel: other cells
kernel: forks for the questions
questions: forked
questions: asked
kernel: asked""".split("\\n")


def _add(name, seconds):
    at = 32 * _NAMES.index(name)
    count, total = _struct.unpack_from("dd", _BOARD, at)
    _struct.pack_into("dd", _BOARD, at, count + 1, total + seconds)


def _used():
    # a process whose CPU time is limited has its process_time() only from tick to tick
    return sum(_resource.getrusage(_resource.RUSAGE_SELF)[:2])


def _mark(name):
    now = _used()
    _add(name, now - _LAST[0])
    _LAST[0] = _used()


_kernel, _become, _end = Zygote.kernel, Zygote.become_kernel, Zygote.end


def _stamped_kernel(self, request, descriptors):
    started = _time.process_time()
    _kernel(self, request, descriptors)
    _add("zygote: fork a kernel", _time.process_time() - started)


def _stamped_become(self, *arguments):
    _LAST[0] = 0.0
    _mark("kernel: forked")
    serving, up = sys.modules["grader_serving"], self.walls.up
    life, handled, forked = serving._life, serving._handled, serving._forked
    asked = serving._asked
    seen = {"cells": 0, "fork": False}

    def stamped_up(run):
        up(run)
        _mark("kernel: walls up")

    async def stamped_life(wire):
        _mark("kernel: ready")
        await life(wire)

    async def stamped_handled(message):
        await handled(message)
        if message["header"]["msg_type"] == "execute_request":
            seen["cells"] += 1
            _mark("kernel: first cell" if seen["cells"] == 1 else "kernel: other cells")

    def stamped_asked(*words):
        asked(*words)
        _mark("questions: asked" if seen["fork"] else "kernel: asked")

    def stamped_forked(wire, descriptor):
        made = forked(wire, descriptor)
        if made is wire:
            _mark("kernel: forks for the questions")
        else:
            seen["fork"], _LAST[0] = True, 0.0
            _mark("questions: forked")
        return made

    self.walls.up, serving._life = stamped_up, stamped_life
    serving._handled, serving._forked = stamped_handled, stamped_forked
    serving._asked = stamped_asked
    return _become(self, *arguments)


def _stamped_end(self):
    rows = {n: _struct.unpack_from("dd", _BOARD, 32 * i) for i, n in enumerate(_NAMES)}
    rows["zygote: all of it"] = (1, _time.process_time())
    os.write(2, ("\\nTOLD board " + json.dumps(rows) + "\\n").encode())
    _end(self)


Zygote.kernel, Zygote.become_kernel, Zygote.end = _stamped_kernel, _stamped_become, _stamped_end
'''
# in place of the stamps: a cProfile of each kernel, from its walls on
PROFILED = """
import base64 as _base64, cProfile as _cprofile, marshal as _marshal, time as _time

_become = Zygote.become_kernel


def _profiled_become(self, *arguments):
    serving, up = sys.modules["grader_serving"], self.walls.up
    asked, handled, forked = serving._asked, serving._handled, serving._forked
    kept = [None, _cprofile.Profile(_time.thread_time), os.urandom(8).hex()]

    def profiled_up(run):
        kept[0] = os.dup(2)  # of the zygote, whose errors the host reads
        up(run)

    async def profiled_handled(message):
        kept[1].enable()
        await handled(message)
        kept[1].disable()
        tell()

    def profiled_asked(*words):
        kept[1].enable()
        asked(*words)
        kept[1].disable()
        tell()

    def tell():
        # it may be killed at any time, so all of it is written anew; the last counts
        kept[1].create_stats()
        stats = _base64.b64encode(_marshal.dumps(kept[1].stats)).decode()
        os.write(kept[0], f"\\nTOLD {kept[2]} {stats}\\n".encode())

    def profiled_forked(wire, descriptor):
        made = forked(wire, descriptor)
        if made is not wire:
            kept[1:] = [_cprofile.Profile(_time.thread_time), os.urandom(8).hex()]
        return made

    self.walls.up = profiled_up
    serving._handled, serving._forked = profiled_handled, profiled_forked
    serving._asked = profiled_asked
    return _become(self, *arguments)


Zygote.become_kernel = _profiled_become
"""
PROFILED_STUDENTS = 40
PHASES = {
    "grader.ingest.submissions": ("collect",),
    "grader.ingest.assignments": ("load", "digest"),
    "grader.pipeline": ("ground_of", "_observe_all", "_gradebook", "_write", "_graded_on"),
    "grader.sandbox.notebook": ("observe",),
    "grader.sandbox.kernel": tuple(f"Kernel.{n}" for n in "start run ask fork close".split()),
    "grader.sandbox.slices": ("statements", "rerun"),
    "grader.sandbox.probe": ("request", "Answers.observed"),
    "grader.store": ("Store.save", "Store.write"),
    "grader.report.pages": ("_student_page", "class_page"),
    "grader.report.spreadsheet": ("gradebook_csv", "questions_csv", "verdicts_csv"),
    "grader.judge.questions": ("judge_question",),
    "grader.judge.expectations": ("expectations",),
}


# the first cell -----------------------------------------------------------------------------------


def first(files):
    """Seconds from a submission's turn to the end of its first cell, one by one."""
    from grader import pipeline
    from grader.config import settings
    from grader.ingest import submissions
    from grader.sandbox import kernel, notebook

    given = settings(None, {})
    the_plan = pipeline.plan(given)
    intake = submissions.collect([Path(file) for file in files], the_plan.assignment)
    ground = pipeline.ground_of(given)
    ended, run = [], kernel.Kernel.run

    @functools.wraps(run)
    async def noted(self, *arguments, **more):
        ran = await run(self, *arguments, **more)
        ended.append(time.perf_counter())
        return ran

    async def every():
        data, limits = the_plan.data, the_plan.limits
        async with notebook.sandbox(ground, intake.submissions, data, limits) as kernels:
            await notebook.observe(intake.submissions[0], {}, kernels, 1)
            for submission in intake.submissions:
                ended.clear()
                started = time.perf_counter()
                await notebook.observe(submission, {}, kernels, 1)
                yield ended[0] - started

    async def listed():
        return [seconds async for seconds in every()]

    kernel.Kernel.run = noted
    print(json.dumps(asyncio.run(listed())))


# the host -----------------------------------------------------------------------------------------


def host(profile, words):
    """Run `grader` with these words.

    profile  the file for a cProfile; "" for none: then the last line of stderr holds the stamps
    """
    if profile:
        profiler, found = cProfile.Profile(time.process_time), {}
        _add_inside(PROFILED, lambda name, text: found.update({name: text}))
        sys.argv = ["grader", *words]
        try:
            profiler.runcall(_grader)
        finally:
            profiler.dump_stats(profile)
            for number, text in enumerate(found.values()):
                Path(f"{profile}.inside{number}").write_bytes(base64.b64decode(text))
        return
    rows = {"host: imports of the commands": (1, time.process_time())}
    _stamp_host(rows)
    _add_inside(STAMPS, lambda _, text: rows.update(json.loads(text)))
    started = time.process_time()
    sys.argv = ["grader", *words]
    try:
        _grader()
    finally:
        rows["host: all of it"] = (1, time.process_time())
        rows["host: the command"] = (1, time.process_time() - started)
        told = resource.getrusage(resource.RUSAGE_CHILDREN)
        rows["waited for by the host"] = (1, told.ru_utime + told.ru_stime)
        print("STAMPS " + json.dumps(rows), file=sys.stderr)


def _grader():
    from grader import cli

    cli.os._exit = sys.exit  # which would end us before anything is told
    with contextlib.suppress(SystemExit):
        cli.main()


def _stamp_host(rows):
    import importlib

    def stamped(function, name):
        @functools.wraps(function)
        def wrapper(*arguments, **more):
            started = time.process_time()
            try:
                return function(*arguments, **more)
            finally:
                count, total = rows.get(name, (0, 0.0))
                rows[name] = (count + 1, total + time.process_time() - started)

        @functools.wraps(function)
        async def waiting(*arguments, **more):
            started = time.process_time()
            try:
                return await function(*arguments, **more)
            finally:
                count, total = rows.get(name, (0, 0.0))
                rows[name] = (count + 1, total + time.process_time() - started)

        return waiting if asyncio.iscoroutinefunction(function) else wrapper

    for module, names in PHASES.items():
        home = importlib.import_module(module)
        for name in names:
            place, _, last = name.rpartition(".")
            owner = getattr(home, place, None) if place else home
            function = getattr(owner, last, None)
            users = [m for n, m in sys.modules.items() if n.partition(".")[0] == "grader"]
            for user in [owner] if place else users:
                if function is not None and vars(user).get(last) is function:
                    made = stamped(function, f"host: {module.rpartition('.')[2]}.{name}")
                    setattr(user, last, made)


def _add_inside(text, told):
    """Append `text` to the zygote's own; `told` is called with what it writes: a word and more."""
    from grader.sandbox import kernel, pipe

    codes, close = pipe.codes, pipe.Zygote.close

    def with_more(names):
        whole = kernel.texts(["zygote"])["grader_zygote"] + text
        code = marshal.dumps(compile(whole, "<grader_zygote>", "exec"))
        return codes(names) | {"grader_zygote": base64.b64encode(code).decode()}

    def closed(self):
        errors, self.errors = self.errors, None
        close(self)
        if errors is not None:
            errors.seek(0)
            for line in errors.read().decode("utf-8", "replace").splitlines():
                if line.startswith("TOLD "):
                    told(*line.removeprefix("TOLD ").split(" ", 1))

    pipe.codes, pipe.Zygote.close = with_more, closed


# the tables ---------------------------------------------------------------------------------------


def profile(bench, kind, students, handed_in):
    """Prints where the CPU time of grading a class goes, and which functions take most."""
    files = handed_in(kind, students, bench.home / "profile")
    run = [sys.executable, __file__, "host"]
    words = ["run", "-q", "-j", "1", "-o"]
    stamped = {}
    for count in (1, students):
        used = bench.meter.run(
            [*run, "", *words, str(bench.home / f"stamped{count}"), *files[:count]],
            bench.environment,
        )
        line = next(x for x in used.output.splitlines() if x.startswith("STAMPS "))
        stamped[count] = json.loads(line.removeprefix("STAMPS "))
        stamped[count]["the whole tree"] = (1, used.cpu)
    once, many = stamped[1], stamped[students]
    print(f"where it goes: {kind}, CPU ms; a run of one, of {students}, and each further notebook")
    for name in sorted(many):
        few, all_of_them = once.get(name, (0, 0.0))[1], many[name][1]
        each = (all_of_them - few) / (students - 1)
        print(
            f"  {name:44} {1000 * few:9.1f} {1000 * all_of_them:9.1f} {1000 * each:8.2f}"
            f"   {many[name][0]:g} times"
        )
    for title, rows in (("a run of one", once), (f"of {students}", many)):
        known = sum(
            seconds
            for name, (_, seconds) in rows.items()
            if name.startswith(("kernel:", "questions:"))
            or name in ("host: all of it", "zygote: all of it")
        )
        rest = rows["the whole tree"][1] - known
        print(f"  not stamped (ends of processes, bubblewrap, exits), {title}: {1000 * rest:.1f}")
    kept = bench.home / "host.prof"
    few = files[:PROFILED_STUDENTS]
    bench.meter.run(
        [*run, str(kept), *words, str(bench.home / "profiled"), *few], bench.environment
    )
    inside = [str(path) for path in bench.home.glob("host.prof.inside*")]
    for where, paths in (("host", [str(kept)]), ("kernel", inside)):
        for order in ("tottime", "cumtime"):
            print(f"\nin the {where} by {order}: {len(few)} students of {kind}, under cProfile")
            stats = pstats.Stats(*paths)
            stats.files = []  # which it would name
            stats.sort_stats(order).print_stats(40)


if __name__ == "__main__":
    if sys.argv[1] == "first":
        first(sys.argv[2:])
    else:
        host(sys.argv[2], sys.argv[3:])
