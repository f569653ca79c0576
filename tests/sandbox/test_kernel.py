"""A kernel survives what can be survived, costs its cell what cannot, and leaves nothing behind."""

import asyncio
import json
import resource
import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from nbclient.exceptions import DeadKernelError

from grader.authoring import case
from grader.errors import SandboxError
from grader.model import Limits, Outcome
from grader.sandbox import cold, kernel, notebook, outer, pipe
from tests.sandbox.conftest import asking, failures, seen

pytestmark = pytest.mark.kernel

DOUBLE = "def double(x):\n    return 2 * x"
ASKED = asking("double", case(21))

SURVIVED = {
    "it never ends": ("while True: pass", "it did not end within 3 s"),
    "it sleeps": ("import time\ntime.sleep(100)", "it did not end within 3 s"),
    "it prints 20 MB": ("print('x' * 2 * 10**7)", "it printed more than 1 MB and was interrupted"),
    "it prints for ever": (
        "while True: print('x' * 10**6)",
        "it printed more than 1 MB and was interrupted",
    ),
    "it writes to the descriptor for ever": (
        "import os\nwhile True: os.write(1, b'x' * 65536)",
        "it printed more than 1 MB and was interrupted",
    ),
    "its child prints for ever": (
        "import subprocess\nsubprocess.run(['yes'])",
        "it printed more than 1 MB and was interrupted",
    ),
    "exit()": ("exit()", None),
    "quit()": ("quit()", None),
    "sys.exit()": ("import sys\nsys.exit()", "SystemExit"),
    "SystemExit": ("raise SystemExit(3)", "SystemExit: 3"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "BaseException": ("raise BaseException('base')", "BaseException: base"),
    "it prints what cannot be sent": ("print('\\ud800')", None),
    "it prints a little": ("print('x' * 1000)", None),
}


@pytest.fixture(scope="module")
def survived(observe):
    cells = [source for source, _ in SURVIVED.values()]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # a loaded machine takes more than a second to bring 20 MB over from a cold kernel
    execution, observed = observe([*cells, DOUBLE], ASKED, cell_seconds=3, output_bytes=2**20)
    return execution, observed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


@pytest.mark.parametrize("name", SURVIVED)
def test_such_a_cell_costs_only_itself(survived, name):
    number = list(SURVIVED).index(name) + 1

    assert failures(survived[0]).get(number) == SURVIVED[name][1]


def test_after_such_cells_the_later_ones_run_in_the_same_kernel(survived):
    execution, observed, _ = survived

    assert execution.outcome is Outcome.RAISED
    assert execution.left_out == ()
    assert [o.value for o in seen(observed["double"])] == [42]


def test_what_is_printed_in_excess_is_never_held_outside_the_kernel(survived):
    kilobytes = survived[2] / (1024 if sys.platform == "darwin" else 1)

    assert kilobytes < 100_000


def test_what_is_no_output_of_a_notebook_is_left_out_of_it(observe):
    shows = "display({'text/plain': 'x', 'application/own': [{1: 2}]}, raw=True)\nprint('on')"
    outputs = []

    execution, observed = observe([shows, DOUBLE], ASKED, outputs=outputs)

    assert (execution.failures, execution.left_out) == ((), ())
    assert ["".join(o.get("text", "?") for o in cell) for cell in outputs] == ["on\n", ""]
    assert [o.value for o in seen(observed["double"])] == [42]


STATE = "{'_model_module': '@jupyter-widgets/output', '_model_name': 'OutputModel'"
SEND = "k = get_ipython().kernel\nk.session.send(k.iopub_socket, %s, parent=k.get_parent('shell'))"
OPEN = "import comm\nopened = comm.create_comm(target_name='jupyter.widget', data=%s)"
WIDGETS = {
    "an Output widget": OPEN % f"{{'state': {STATE}, 'outputs': [], 'msg_id': ''}}}}",
    "one of no known model": OPEN % "{'state': {'_model_module': 'm', '_model_name': 'n'}}",
    "one without a state": OPEN % "{}",
    "one without a model": OPEN % "{'state': {}}",
    "a model that is a list": OPEN % "{'state': {'_model_module': [], '_model_name': {}}}",
    "outputs that are a number": OPEN % f"{{'state': {STATE}, 'outputs': 5, 'msg_id': 'c1'}}}}",
    "for another target": "comm.create_comm(target_name='own', data={'a': 1}).send({'b': [2]})",
    "with bytes": "opened.send({'b': 1}, buffers=[b'abc', memoryview(bytes(9))])",
    "an end": "opened.close()",
    "nothing in it": SEND % "'comm_msg', {}",
    "data that are a number": SEND % "'comm_open', {'data': 5, 'comm_id': []}",
    "of no kind that there is": SEND % "'comm_of_my_own', {'data': {'state': []}}",
}


def test_no_message_for_a_widget_ends_a_kernel(observe):
    execution, observed = observe([*WIDGETS.values(), DOUBLE], ASKED)

    assert execution.failures == ()
    assert [o.value for o in seen(observed["double"])] == [42]


def test_what_an_output_widget_shows_stays_below_its_cell_and_what_it_clears_is_its_own(observe):
    opens = OPEN % f"{{'state': {STATE}, 'outputs': [], 'msg_id': ''}}}}"
    takes = "opened.send({'method': 'update', 'state': {'msg_id': %r}, 'buffer_paths': []})"
    clears = "from IPython.display import clear_output\nclear_output()"
    cells = [
        "\n".join([opens, "print(1)", takes % "c1", clears, "print(2)", takes % "", "print(3)"]),
        "\n".join(["print(4)", clears, "print(5)"]),
    ]
    outputs = []

    observe(cells, outputs=outputs)

    texts = ["".join(o["text"] for o in cell if o["output_type"] == "stream") for cell in outputs]
    assert texts == ["1\n2\n3\n", "5\n"]


DEADLY = (
    "import os\nos._exit(0)",
    "import ctypes\nctypes.string_at(0)",
    "import os\nos.abort()",
    "import os\nos.kill(os.getpid(), 9)",
)


def test_a_notebook_is_run_again_without_the_cells_that_kill_its_kernel(observe):
    execution, observed = observe([*DEADLY, DOUBLE], ASKED)

    assert execution.outcome is Outcome.RAISED
    assert execution.left_out == (1, 2, 3, 4)
    assert set(failures(execution).values()) == {"the kernel died"}
    assert [o.value for o in seen(observed["double"])] == [42]


def test_a_cell_that_swallows_the_interrupt_is_left_out_too(observe, monkeypatch):
    monkeypatch.setattr(kernel, "INTERRUPT_SECONDS", 1)
    deaf = """import time
while True:
    try:
        time.sleep(100)
    except KeyboardInterrupt:
        pass"""

    execution, observed = observe([deaf, DOUBLE], ASKED, cell_seconds=1)

    assert execution.left_out == (1,)
    assert failures(execution) == {1: "it did not end within 1 s, nor when interrupted"}
    assert [o.value for o in seen(observed["double"])] == [42]


@pytest.mark.parametrize(
    "cell, value",
    [
        ("import os, math\nn = 40\ndef two(): return 2\nfor i in [0]:\n    os._exit(0)\nn = 1", 42),
        ("import os, math\nn = os._exit(0)\ndef two(): return 2", None),
    ],
    ids=["in a loop", "in what it sets"],
)
def test_of_a_cell_that_is_left_out_the_later_ones_have_what_it_made_before(observe, cell, value):
    cells = [cell, "import math\ndef double(x):\n    return n + two() * math.cos(0)"]

    execution, observed = observe(cells, ASKED)

    assert execution.left_out == (1,)
    assert failures(execution) == {1: "the kernel died"}
    assert [o.value for o in seen(observed["double"])] == [value]


def test_a_cell_that_sends_more_at_once_than_can_be_read_is_left_out(observe, monkeypatch):
    monkeypatch.setattr(kernel, "LOST_SECONDS", 1)
    monkeypatch.setattr(cold, "MESSAGE_BYTES", 2**20)
    monkeypatch.setattr(pipe, "FRAME_BYTES", 2**20)
    huge = "display({'text/plain': 'x' * 10**7}, raw=True)"

    execution, observed = observe([huge, DOUBLE], ASKED)

    assert failures(execution) == {1: "it sent more at once than can be read"}
    assert [o.value for o in seen(observed["double"])] == [42]


def test_a_kernel_that_breaks_the_protocol_counts_as_dead(observe):
    broken = """import sys
module = sys.modules.get('grader_serving') or sys.modules['jupyter_client.session']
module._dumps = lambda *args, **kwargs: '{}'
get_ipython().kernel.session.pack = lambda *args, **kwargs: b'{}'"""

    execution, observed = observe([broken, DOUBLE], ASKED)

    assert execution.left_out == (1,)
    assert [o.value for o in seen(observed["double"])] == [42]


def test_a_notebook_that_kills_every_kernel_is_our_error_and_no_zero(observe, monkeypatch):
    monkeypatch.setattr(notebook, "MOST_LEFT_OUT", 1)

    execution, observed = observe([DEADLY[0], DOUBLE, DEADLY[0]], ASKED)

    assert execution.outcome is Outcome.ERROR
    assert execution.error == "the kernel died again and again: cells 1, 3"
    assert observed == {}


def test_a_kernel_that_does_not_start_is_said_so(home, ground, kind, monkeypatch):
    monkeypatch.setattr(cold, "START", "raise SystemExit('no kernel today')")
    monkeypatch.setattr(pipe, "BOOT", "raise SystemExit('no kernel today')")

    with pytest.raises(SandboxError, match=r"did not start: |cannot be started: no kernel today"):
        started(ground.kernels(home, "", Limits(), frozenset()))


def test_a_kernel_without_our_half_is_never_used(home, ground, kind, monkeypatch, tmp_path):
    broken = tmp_path / "wire.py"
    broken.write_text("raise ValueError('no such thing')")
    monkeypatch.setitem(kernel.INSIDE, "wire", broken)

    with pytest.raises(SandboxError, match="ValueError: no such thing"):
        started(ground.kernels(home, "", Limits(), frozenset()))


@pytest.mark.parametrize("kind", ["cold"], indirect=True)
def test_a_cold_kernel_that_dies_at_its_start_is_started_once_more(home, ground, monkeypatch):
    command, deaths = outer.python, []

    def dying(text, *arguments):
        if len(deaths) == most:
            return command(text, *arguments)
        deaths.append(text)
        return command(f"raise SystemExit('no luck, {len(deaths)}')", *arguments)

    monkeypatch.setattr(outer, "python", dying)
    most = 1
    assert started(ground.kernels(home, "", Limits(), frozenset())) > 0
    deaths.clear()
    most = 2
    with pytest.raises(SandboxError, match=r"died .*; no luck, 1; .* died .*; no luck, 2"):
        started(ground.kernels(home, "", Limits(), frozenset()))


@pytest.mark.parametrize("kind", ["cold"], indirect=True)
def test_a_cold_kernel_can_say_much_before_it_can_send_messages(home, ground, monkeypatch):
    command, much = outer.python, "import os\nos.write(2, b'x' * 2**17)\n"
    monkeypatch.setattr(outer, "python", lambda text, *more: command(much + text, *more))
    first = "import os, sys\nos.write(sys.stderr._original_stdstream_copy, b'x')"

    async def start():
        source = ground.kernels(home, "", Limits(), frozenset())
        try:
            async with source.kernel(1) as running:
                return (await running.run(first, 10)).how
        finally:
            await source.close()

    assert asyncio.run(start()) == "ok"


def test_a_notebook_begins_with_no_open_file_of_the_machine(observe):
    look = """import os, stat
kinds = []
for handle in os.listdir("/proc/self/fd"):
    try:
        kinds.append(os.fstat(int(handle)))
    except OSError:
        pass
print(len(kinds) > 3, [kind for kind in kinds if stat.S_ISREG(kind.st_mode)])"""
    outputs = []

    observe([look], outputs=outputs)

    assert "".join(output["text"] for output in outputs[0]) == "True []\n"


def started(source):
    """How many cells a kernel of this source has run, if it starts."""

    async def start():
        try:
            async with source.kernel(1) as running:
                return (await running.run("1", 10)).run
        finally:
            await source.close()

    return asyncio.run(start())


def processes(word):
    """The commands of the living processes whose command line has `word` in it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if word in command:
            found.append(command)
    return found


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="needs proc: there is no /proc here"
)


@needs_proc
def test_kernels_their_children_and_their_folders_are_gone_afterwards(observe, home):
    child = "import subprocess\nsubprocess.Popen(['sleep', '86413'])"
    daemon = "subprocess.Popen(['sleep', '86413'], start_new_session=True)"
    orphan = """import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp('sleep', ['sleep', '86413'])
    os._exit(0)"""

    execution, _ = observe([child, daemon, orphan, "while True: pass"], cell_seconds=0.5)

    assert list(failures(execution)) == [4]
    assert processes("sleep 86413") == []
    assert processes(str(home)) == []
    assert not list(home.glob("k*"))


@needs_proc
def test_a_cancelled_run_leaves_nothing_behind_either(observe, home):
    async def cancelled():
        child = "import subprocess\nsubprocess.run(['sleep', '86414'])"
        task = asyncio.create_task(observe.later([child], ASKED))
        deadline = time.monotonic() + 30
        while not processes("sleep 86414") and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert processes("sleep 86414")
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert observe.run(cancelled())
    assert processes("sleep 86414") == []
    assert not list(home.glob("k*"))


def test_two_notebooks_at_once_do_not_see_each_other(observe):
    look = """import os, tempfile, time
open('mine.txt', 'w').close()
open(os.path.join(tempfile.gettempdir(), 'mine.txt'), 'w').close()
time.sleep(1)

def around(x):
    return [os.listdir('.'), [n for n in os.listdir(tempfile.gettempdir()) if 'mine' in n]]"""

    async def both():
        asked = asking("around", case(1))
        first = look.replace("mine", "mine_1")
        return await asyncio.gather(
            observe.later([first], asked), observe.later([look.replace("mine", "mine_2")], asked)
        )

    one, two = [seen(observed["around"])[0].value for _, observed in observe.run(both())]

    assert one == [["mine_1.txt"], ["mine_1.txt"]]
    assert two == [["mine_2.txt"], ["mine_2.txt"]]


LOOK_AROUND = """import gc, os, sys

def imported(x):
    found = []
    for name in ('reference', 'reference.week14', 'grader', 'grader.model', 'fixtures', 'tests'):
        try:
            __import__(name)
            found.append(name)
        except ImportError:
            pass
    return found

def ways(x):
    said = [*sys.path, *os.environ.values(), *sys.argv, os.getcwd(), *sys.path_importer_cache]
    for module in list(sys.modules.values()):
        said.append(str(getattr(module, '__file__', '')))
    try:
        said.append(open('/proc/self/cmdline').read())
    except OSError:
        pass
    return said

def held(x):
    wanted = 20413.0 + 0.5
    everything = gc.get_objects()
    return sum(type(o) is dict and wanted in [v for v in o.values() if type(v) is float]
               or type(o) is list and wanted in [v for v in o if type(v) is float]
               for o in everything)"""


def test_nothing_in_a_kernel_leads_to_the_reference(observe):
    def reference(x):
        return 20413.5

    questions = [asking(name, case(1)) for name in ("imported", "ways", "held")]
    for question in questions:
        object.__setattr__(question, "reference", reference)
    checkout = str(Path(notebook.__file__).parents[2])

    _, observed = observe([LOOK_AROUND], *questions)
    imported, ways, held = [seen(observed[q.key])[0].value for q in questions]

    assert imported == []
    assert [way for way in ways if checkout in way and not way.startswith(sys.prefix)] == []
    assert held == 0


def test_a_kernel_sees_nothing_of_the_environment(observe, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    names = "import os\n\ndef names(x):\n    return sorted(os.environ)"

    _, observed = observe([names], asking("names", case(1)))

    there = seen(observed["names"])[0].value
    assert "SECRET_TOKEN" not in there
    assert "HOME" in there


@needs_proc
def test_a_closed_kernel_holds_no_descriptor(observe):
    async def one_after_another():
        counts = []
        for _ in range(3):
            async with observe.kernels().kernel(1) as running:
                await running.run("1 + 1", 10)
            counts.append(len(list(Path("/proc/self/fd").iterdir())))
        return counts

    first, _, last = observe.run(one_after_another())

    assert last <= first


SILENT = """import sys
serving = sys.modules.get("grader_serving")
asked_to_fork, kept = [], []

def silent(wire, descriptor):
    asked_to_fork.append(1)
    kept.append(descriptor)
    return wire

if serving:
    serving._forked = silent

def forks(x):
    return len(asked_to_fork)"""


def test_a_notebook_that_ran_for_long_is_forked_and_a_light_one_asked_itself(
    observe, monkeypatch, kind
):
    whose = "import os\nown = os.getpid()\ndef forked(x):\n    return os.getpid() != own"

    def asked():
        _, observed = observe([whose], asking("forked", case(1)))
        return [o.value for o in seen(observed["forked"])]

    assert asked() == [False]

    monkeypatch.setattr(notebook, "LIGHT_SECONDS", 0)
    assert asked() == [kind == "pipe"]


def test_where_a_fork_never_answers_the_kernel_itself_is_asked(observe, monkeypatch, kind):
    monkeypatch.setattr(pipe, "FORK_SECONDS", 0.5)
    monkeypatch.setattr(notebook, "LIGHT_SECONDS", 0)
    questions = [asking("forks", case(1)), asking("double", case(21))]

    execution, observed = observe([SILENT, DOUBLE], *questions)

    assert execution.left_out == ()
    assert [o.value for o in seen(observed["forks"])] == [1 if kind == "pipe" else 0]
    assert [o.value for o in seen(observed["double"])] == [42]


def test_after_a_fork_without_an_answer_there_are_no_more(observe, monkeypatch, kind):
    monkeypatch.setattr(pipe, "FORK_SECONDS", 0.5)

    async def forks():
        async with observe.kernels().kernel(1) as running:
            await running.run(SILENT, 10)
            forked = [await running.fork() for _ in range(3)]
            await running.run("print(len(asked_to_fork))", 10)
            return forked, running.outputs[0]["text"]

    assert observe.run(forks()) == ([None] * 3, "1\n" if kind == "pipe" else "0\n")


# who waits for it ---------------------------------------------------------------------------------

WAITING = {
    "for a cell": lambda running: running.run("while True: pass", 60),
    "for an answer": lambda running: running.ask("tell_notes", None, 2),
}


@pytest.mark.parametrize("what", WAITING)
def test_whoever_waits_can_be_called_off(observe, what):
    async def called_off():
        async with observe.kernels().kernel(1) as running:
            waiting = asyncio.create_task(WAITING[what](running))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait({waiting}, timeout=10)
            return waiting.cancelled()

    assert observe.run(called_off())


class Watching:
    """Kernel._watched at work, in which all that may happen is told when to."""

    async def run(self, then, work, seconds=0.01):
        loop = asyncio.get_running_loop()
        self.client, self.waits = SimpleNamespace(over=loop.create_future()), None
        self.watched, self.logged = 0, []
        self.gate, self.ends = loop.create_future(), loop.create_future()
        loop.set_exception_handler(lambda _, context: self.logged.append(context))

        async def watch():
            self.watched += 1
            await self.gate

        self.task = asyncio.create_task(kernel.Kernel._watched(self, work(self), watch, seconds))
        await asyncio.sleep(0.05)
        await then(self)
        await asyncio.wait({self.task}, timeout=5)
        await asyncio.sleep(0.05)
        return self


async def dies_when_cancelled(at):
    try:
        await at.ends
    except asyncio.CancelledError:
        raise RuntimeError("Kernel died") from None


async def ends(at):
    await at.ends


def test_a_run_that_is_called_off_as_its_watch_gives_up_is_called_off():
    async def then(at):
        at.gate.set_result(None)
        for _ in range(2):
            await asyncio.sleep(0)
        at.task.cancel()

    assert asyncio.run(Watching().run(then, dies_when_cancelled)).task.cancelled()


def test_a_watch_and_its_work_may_end_at_once():
    async def then(at):
        at.gate.set_result(None)
        at.ends.set_result(None)

    at = asyncio.run(Watching().run(then, ends))

    assert (at.task.exception(), at.watched, at.logged) == (None, 1, [])


def test_nobody_watches_over_what_has_failed():
    async def then(at):
        at.ends.set_exception(ZeroDivisionError())
        at.client.over.set_result(None)

    at = asyncio.run(Watching().run(then, ends, seconds=10))

    assert isinstance(at.task.exception(), ZeroDivisionError)
    assert at.watched == 0


def test_an_error_of_ours_is_no_end_of_the_kernel_that_is_asked(observe, monkeypatch):
    def failing(pid):
        raise ZeroDivisionError("ours")

    async def asked():
        async with observe.kernels().kernel(1) as running:
            monkeypatch.setattr(kernel, "UNWATCHED_SECONDS", 0)
            monkeypatch.setattr(kernel.processes, "waits", failing)
            await running.ask("tell_notes", None, 1)

    with pytest.raises(ZeroDivisionError, match="ours"):
        observe.run(asked())


# what is sent to a kernel -------------------------------------------------------------------------


@pytest.fixture
def connected():
    """A client of no kernel, and the other end of its socket."""
    manager = pipe.PipeManager(None, {}, None)
    manager.wire, theirs = socket.socketpair()
    manager.wire.setblocking(False)
    yield manager.client(), theirs
    theirs.close()
    manager.disconnect()


def test_others_are_served_while_a_kernel_takes_a_long_request(connected):
    client, theirs = connected
    content = {"code": "x" * 10**7}

    def read():
        received = b""
        while len(received) < 10**7 or len(received) < 4 + pipe.HEAD.unpack_from(received)[0]:
            received += theirs.recv(2**20)
        return received

    async def sent():
        client.send_frame(b"s", content)
        at_once = len(client.unsent)
        reading = asyncio.to_thread(read)
        return at_once, await asyncio.wait_for(reading, 10), len(client.unsent)

    at_once, received, later = asyncio.run(sent())

    assert at_once > 0
    assert json.loads(received[5:]) == content
    assert later == 0


def test_a_kernel_that_takes_nothing_for_a_while_counts_as_dead(connected, monkeypatch):
    monkeypatch.setattr(pipe, "SEND_SECONDS", 0.2)
    client, _ = connected

    async def sent():
        client.send_frame(b"s", {"code": "x" * 10**7})
        with pytest.raises(DeadKernelError):
            await asyncio.wait_for(client.shell_channel.get_msg(), 10)
        return client.manager.why, client.unsent

    assert asyncio.run(sent()) == ("the kernel takes no request", b"")


def test_to_a_kernel_that_is_gone_nothing_can_be_sent(connected):
    client, theirs = connected
    theirs.close()

    async def sent():
        client.send_frame(b"s", {"code": "x"})
        with pytest.raises(DeadKernelError):
            await asyncio.wait_for(client.shell_channel.get_msg(), 10)

    asyncio.run(sent())
