"""Behind all walls honest code goes on working: what a notebook of a course may well do, it can."""

import asyncio
import re

import pytest

from grader.authoring import case
from grader.model import Limits
from grader.sandbox import ladder, notebook
from grader.sandbox.ground import Ground
from tests.sandbox import attacks
from tests.sandbox.conftest import IMPORTS, asking, failures, seen, submission

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module", autouse=True)
def walls(need):
    letter = ladder.rung().letter
    need("walls", "" if letter == "A" else f"kernels are on rung {letter} here")


FIGURE = "<figure>"  # stands for an image/png among the outputs

# notebooks: the name of each cell, its source, and all that it shows; None: whatever it shows
PROCESSES = {
    "a pool": (
        """import multiprocessing

def square(x):
    return x * x

with multiprocessing.Pool(2) as pool:
    print(pool.map(square, range(6)))""",
        "[0, 1, 4, 9, 16, 25]\n",
    ),
    "a pool that is asked one by one": (
        """with multiprocessing.Pool(2) as pool:
    later = [pool.apply_async(square, (i,)) for i in range(3)]
    print([one.get(10) for one in later], sorted(pool.imap_unordered(square, range(3))))""",
        "[0, 1, 4] [0, 1, 4]\n",
    ),
    "a pool of threads": (
        """from multiprocessing.pool import ThreadPool
with ThreadPool(4) as pool:
    print(pool.map(square, range(4)))""",
        "[0, 1, 4, 9]\n",
    ),
    "executors": (
        """from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
with ProcessPoolExecutor(2) as executor:
    print(list(executor.map(square, range(4))))
with ThreadPoolExecutor(4) as executor:
    later = [executor.submit(square, i) for i in (3, 1)]
    print(sorted(one.result() for one in as_completed(later)))""",
        "[0, 1, 4, 9]\n[1, 9]\n",
    ),
    "a process and a queue": (
        """def put(queue):
    for i in range(3):
        queue.put(i)

queue = multiprocessing.Queue()
process = multiprocessing.Process(target=put, args=(queue,))
process.start()
print([queue.get(timeout=10) for _ in range(3)])
process.join(10)
print(process.exitcode)""",
        "[0, 1, 2]\n0\n",
    ),
    "a pipe, a lock, an event and a value": (
        """def count(end, lock, value, event):
    event.wait(10)
    for _ in range(100):
        with lock:
            value.value += 1
    end.send(value.value)

ours, theirs = multiprocessing.Pipe()
lock, value, event = multiprocessing.Lock(), multiprocessing.Value("i", 0), multiprocessing.Event()
process = multiprocessing.Process(target=count, args=(theirs, lock, value, event))
process.start()
event.set()
print(ours.recv())
process.join(10)""",
        "100\n",
    ),
    "a manager": (
        """with multiprocessing.Manager() as manager:
    shared = manager.dict()
    process = multiprocessing.Process(target=shared.update, args=({"a": 1},))
    process.start()
    process.join(10)
    print(dict(shared))""",
        "{'a': 1}\n",
    ),
    "shared memory": (
        """import numpy as np
from multiprocessing import shared_memory
made = shared_memory.SharedMemory(create=True, size=800)
array = np.ndarray((100,), float, made.buf)
array[:] = 2
other = shared_memory.SharedMemory(name=made.name)
print(np.ndarray((100,), float, other.buf).sum())
del array
other.close()
made.close()
made.unlink()""",
        "200.0\n",
    ),
    "a worker that prints": (
        """import sys

def shout(text):
    print(text, flush=True)

process = multiprocessing.Process(target=shout, args=("from a worker",))
process.start()
process.join(10)""",
        "from a worker\n",
    ),
    "a worker that fails": (
        """def fails(x):
    return 1 / x

try:
    with multiprocessing.Pool(1) as pool:
        pool.map(fails, [0])
except ZeroDivisionError as error:
    print(error)""",
        "division by zero\n",
    ),
    "a program": (
        """import subprocess
print(subprocess.run(["ls", "/content"], capture_output=True, text=True).returncode)
print(subprocess.run(["echo", "said"], capture_output=True, text=True).stdout)
subprocess.run(["echo", "seen"])
print(subprocess.check_output("echo $((1 + 2))", shell=True, text=True), end="")""",
        None,
    ),
    "this Python once more": (
        """import sys
asked = [sys.executable, "-c", "print(6 * 7)"]
print(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)""",
        "42\n\n",
    ),
    "a pipe of programs": (
        "print(subprocess.getoutput('printf \"b\\\\na\\\\n\" | sort | head -1'))",
        "a\n",
    ),
    "a program that is spoken to": (
        """with subprocess.Popen(["cat"], stdin=-1, stdout=-1, text=True) as process:
    print(process.communicate("echoed", timeout=10)[0])
process = subprocess.Popen(["sleep", "60"])
process.terminate()
print(process.wait(10))""",
        "echoed\n-15\n",
    ),
    "other ways to start": (
        """for way in ("spawn", "forkserver"):
    with multiprocessing.get_context(way).Pool(1) as pool:
        print(way, pool.map(abs, [-1, -2]))""",
        "spawn [1, 2]\nforkserver [1, 2]\n",
    ),
    "os.fork": (
        """import os
child = os.fork()
if not child:
    os._exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))""",
        "3\n",
    ),
    "os.system": ("import os\nprint(os.system('true'), os.system('exit 2') >> 8)", "0 2\n"),
    "what the grader does not run": ("!ls\n%pip install numpy\nfiles = !ls\nprint(files)", "[]\n"),
}

AT_ONCE = {
    "a thread": (
        """import threading, time
found = []
thread = threading.Thread(target=lambda: found.append(threading.current_thread().name), name="mine")
thread.start()
thread.join(10)
print(found)""",
        "['mine']\n",
    ),
    "a thread that prints": (
        """thread = threading.Thread(target=print, args=("from a thread",))
thread.start()
thread.join(10)""",
        "from a thread\n",
    ),
    "twenty threads": (
        """from concurrent.futures import ThreadPoolExecutor
barrier = threading.Barrier(20)
with ThreadPoolExecutor(20) as executor:
    print(len({*executor.map(lambda _: barrier.wait(20), range(20))}))""",
        "20\n",
    ),
    "a timer and an event": (
        """event = threading.Event()
threading.Timer(0.01, event.set).start()
print(event.wait(10))""",
        "True\n",
    ),
    "await": ("import asyncio\nawait asyncio.sleep(0.01)\nprint('awaited')", "awaited\n"),
    "gather": (
        """async def later(x):
    await asyncio.sleep(0.01)
    return x

print(await asyncio.gather(*(later(i) for i in range(3))))""",
        "[0, 1, 2]\n",
    ),
    "a task": (
        """task = asyncio.create_task(later("task"))
async with asyncio.timeout(10):
    print(await task)""",
        "task\n",
    ),
    "async for": (
        """async def numbers():
    for i in range(3):
        yield i

print([i async for i in numbers()])""",
        "[0, 1, 2]\n",
    ),
    "in a thread": ("print(await asyncio.to_thread(sum, [1, 2]))", "3\n"),
    "a program, awaited": (
        """from asyncio.subprocess import PIPE, create_subprocess_exec
process = await create_subprocess_exec("echo", "hi", stdout=PIPE)
print((await process.communicate())[0])""",
        "b'hi\\n'\n",
    ),
    "an alarm": (
        """import signal

def ring(*_):
    raise TimeoutError("it rang")

signal.signal(signal.SIGALRM, ring)
signal.alarm(1)
try:
    time.sleep(5)
except TimeoutError as error:
    print(error)
finally:
    signal.alarm(0)""",
        "it rang\n",
    ),
    "a socket pair": (
        """import socket
one, other = socket.socketpair()
one.sendall(b"through")
print(other.recv(100))""",
        "b'through'\n",
    ),
    "the clock": ("before = time.time()\ntime.sleep(0.01)\nprint(time.time() > before)", "True\n"),
}

SHOWN = {
    "a plot": (
        "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.title('one')\nplt.show()",
        FIGURE,
    ),
    "%matplotlib inline": ("%matplotlib inline\nplt.plot([1, 2]);", FIGURE),
    "several": (
        """for i in range(3):
    fig, ax = plt.subplots()
    ax.plot([i, i + 1])
plt.show()""",
        FIGURE * 3,
    ),
    "a figure of four": (
        "fig, axes = plt.subplots(2, 2, figsize=(4, 4))\naxes[0, 0].imshow([[1, 2], [3, 4]])\n"
        "fig.suptitle(r'$\\alpha^2$')\nfig.tight_layout()",
        FIGURE,
    ),
    "saved": (
        """import os
fig = plt.figure()
plt.hist([1, 2, 2, 3])
plt.savefig('own.png')
plt.savefig('own.pdf')
plt.close(fig)
print(os.path.getsize('own.png') > 1000, os.path.getsize('own.pdf') > 1000)""",
        "True True\n",
    ),
    "read back": ("print(plt.imread('own.png').shape[2])", "4\n"),
    "another style": (
        "with plt.style.context('ggplot'):\n    plt.bar(['a', 'b'], [1, 2])\n    plt.show()",
        FIGURE,
    ),
    "in three dimensions": (
        "ax = plt.figure().add_subplot(projection='3d')\nax.scatter([1], [2], [3])\nplt.show()",
        FIGURE,
    ),
    "the backend": (
        "import matplotlib\nprint(matplotlib.get_backend().rpartition('.')[2])",
        re.compile("(backend_)?inline\n"),
    ),
    "a table": (
        """import pandas as pd
frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
print(frame.groupby("b").a.sum().to_dict(), frame.describe().loc["mean", "a"])
frame.to_csv("own.csv", index=False)
print(pd.read_csv("own.csv").equals(frame.astype(pd.read_csv("own.csv").dtypes)))""",
        "{'x': 1, 'y': 2} 1.5\nTrue\n",
    ),
    "a table drawn": ("frame.plot.bar(x='b', y='a')\nplt.show()", FIGURE),
    "scipy": (
        """from scipy import optimize, special, stats
print(round(optimize.minimize(lambda x: (x - 2) ** 2, 0.0).x[0], 3),
      round(float(special.softmax([0.0, 0.0])[0]), 1), round(stats.norm.cdf(0), 1))""",
        "2.0 0.5 0.5\n",
    ),
    "rich output": (
        """from IPython.display import HTML, Markdown, Math, clear_output, display
display(HTML("<b>x</b>"), Markdown("**x**"), Math("x"))
clear_output()
handle = display("first", display_id=True)
handle.update("second")""",
        None,
    ),
    "progress": (
        """import sys
from tqdm import tqdm, trange
print(sum(tqdm(range(5), file=sys.stdout, disable=True)), sum(trange(3, disable=True)))
for _ in tqdm(range(3)):
    pass""",
        None,
    ),
    "progress, of itself": (
        "from tqdm.auto import tqdm\nprint(sum(tqdm(range(4), desc='auto')))",
        "6\n",
    ),
    "progress, in a notebook": (
        "from tqdm.notebook import tqdm, trange\nprint(sum(tqdm(range(4))), list(trange(2)))",
        "6 [0, 1]\n",
    ),
}

FILES = {
    "in the working folder": (
        """import os, pathlib
with open("own.txt", "w") as file:
    file.write("written")
print(open("own.txt").read(), os.path.getsize("own.txt"), os.listdir("."))""",
        "written 7 ['own.txt']\n",
    ),
    "in /tmp": (
        """pathlib.Path("/tmp/own.txt").write_text("temporary")
print(pathlib.Path("/tmp/own.txt").read_text())""",
        "temporary\n",
    ),
    "at home": (
        """path = pathlib.Path("~/own.txt").expanduser()
path.write_text("at home")
print(path.read_text(), pathlib.Path.home() == path.parent)""",
        "at home True\n",
    ),
    "by the path that Colab has": (
        "open('/content/other.txt', 'w').write('x')\nprint(os.path.exists('other.txt'))",
        "True\n",
    ),
    "temporary": (
        """import tempfile
with tempfile.NamedTemporaryFile("w+") as file, tempfile.TemporaryDirectory() as folder:
    file.write("x")
    file.flush()
    print(os.path.getsize(file.name), os.listdir(folder))
print(os.path.exists(folder))""",
        "1 []\nFalse\n",
    ),
    "folders": (
        """import shutil
os.makedirs("a/b/c", exist_ok=True)
pathlib.Path("a/b/one.txt").write_text("1")
shutil.copytree("a", "copied")
shutil.copy("a/b/one.txt", "two.txt")
shutil.move("two.txt", "three.txt")
os.rename("three.txt", "four.txt")
print(sorted(str(p) for p in pathlib.Path("copied").rglob("*")), os.path.exists("four.txt"))
shutil.rmtree("copied")
os.remove("four.txt")
print(os.path.exists("copied"))""",
        "['copied/b', 'copied/b/c', 'copied/b/one.txt'] True\nFalse\n",
    ),
    "modes and times": (
        """os.chmod("own.txt", 0o640)
os.utime("own.txt", (1e9, 1e9))
print(oct(os.stat("own.txt").st_mode & 0o777), os.path.getmtime("own.txt"))""",
        "0o640 1000000000.0\n",
    ),
    "links": (
        """os.symlink("own.txt", "link.txt")
print(open("link.txt").read(), os.readlink("link.txt"))""",
        "written own.txt\n",
    ),
    "zip": (
        """import zipfile
with zipfile.ZipFile("own.zip", "w", zipfile.ZIP_DEFLATED) as file:
    file.write("own.txt")
    file.writestr("in/other.txt", "x" * 1000)
with zipfile.ZipFile("own.zip") as file:
    file.extractall("unzipped")
print(open("unzipped/in/other.txt").read().count("x"))""",
        "1000\n",
    ),
    "tar": (
        """import tarfile
with tarfile.open("own.tar.gz", "w:gz") as file:
    file.add("a")
with tarfile.open("own.tar.gz") as file:
    file.extractall("untarred", filter="data")
shutil.make_archive("made", "zip", "a")
shutil.unpack_archive("made.zip", "unpacked")
print(open("untarred/a/b/one.txt").read(), sorted(os.listdir("unpacked/b")))""",
        "1 ['c', 'one.txt']\n",
    ),
    "gzip": (
        """import bz2, gzip, lzma
for kind in (bz2, gzip, lzma):
    with kind.open("own.x", "wt") as file:
        file.write("packed")
    print(kind.open("own.x", "rt").read(), end=" ")""",
        "packed packed packed ",
    ),
    "a database": (
        """import sqlite3
with sqlite3.connect("own.db") as database:
    database.execute("create table t (a integer)")
    database.executemany("insert into t values (?)", [(1,), (2,)])
print(sqlite3.connect("own.db").execute("select sum(a) from t").fetchone())""",
        "(3,)\n",
    ),
    "pickle": (
        """import pickle

class Own:
    x = 3

pickle.dump([Own(), {"a": 1}], open("own.pickle", "wb"))
print(pickle.load(open("own.pickle", "rb"))[0].x)""",
        "3\n",
    ),
    "shelve": (
        """import shelve
with shelve.open("own") as kept:
    kept["a"] = [1, 2]
with shelve.open("own") as kept:
    print(kept["a"])""",
        "[1, 2]\n",
    ),
    "csv and json": (
        """import csv, json
csv.writer(open("own.csv", "w", newline="")).writerows([[1, 2], [3, 4]])
json.dump({"a": 1}, open("own.json", "w"))
print(list(csv.reader(open("own.csv"))), json.load(open("own.json")))""",
        "[['1', '2'], ['3', '4']] {'a': 1}\n",
    ),
    "numpy's": (
        """import numpy as np
np.save("own.npy", np.arange(3))
np.savez("own.npz", a=np.ones(2))
np.savetxt("own.dat", np.eye(2))
print(np.load("own.npy"), np.load("own.npz")["a"], np.loadtxt("own.dat").sum())""",
        "[0 1 2] [1. 1.] 2.0\n",
    ),
    "a pipe with a name, and a lock": (
        """import fcntl, threading
os.mkfifo("fifo")
writer = threading.Thread(target=lambda: open("fifo", "w").write("through"))
writer.start()
print(open("fifo").read())
writer.join()
with open("own.txt") as file:
    fcntl.flock(file, fcntl.LOCK_EX)""",
        "through\n",
    ),
    "mapped": (
        """mapped = np.memmap("own.map", float, "w+", shape=(1000,))
mapped[:] = 1
mapped.flush()
print(np.memmap("own.map", float, "r").sum())""",
        "1000.0\n",
    ),
    "a module of its own": (
        "open('mine.py', 'w').write('def f():\\n    return 5')\nimport mine\nprint(mine.f())",
        "5\n",
    ),
    "100 MB": (
        """with open("large.bin", "wb") as file:
    for _ in range(100):
        file.write(bytes(2**20))
print(os.path.getsize("large.bin") >> 20)
os.remove("large.bin")""",
        "100\n",
    ),
    "a thousand of them": (
        """os.mkdir("many")
for i in range(1000):
    open(f"many/{i}", "w").close()
print(len(os.listdir("many")), shutil.disk_usage(".").free > 2**20)""",
        "1000 True\n",
    ),
    "where it is": ("print(os.getcwd(), os.path.abspath('x'))", "/content /content/x\n"),
}

SYSTEM = {
    "%time": ("%time x = 1", re.compile("(?s).*Wall time: .*")),
    "%%time": ("%%time\ny = 2\nprint(y)", re.compile("(?s)2\n.*Wall time: .*")),
    "%timeit": ("%timeit -n2 -r1 1 + 1", re.compile(r".* per loop .*\n")),
    "%%timeit": ("%%timeit -n2 -r1\nz = 1\nz + 1", re.compile(r".* per loop .*\n")),
    "%%capture": ("%%capture caught\nprint('caught')", ""),
    "what was captured": ("print(caught.stdout)", "caught\n\n"),
    "%%writefile": ("%%writefile own.py\nONE = 1", "Writing own.py\n"),
    "%run": ("%run own.py\nprint(ONE)", "1\n"),
    "%who": ("%who int", re.compile(r"(?s).*ONE.*x.*y.*")),
    "%whos": ("%whos", re.compile("(?s)Variable.*")),
    "%lsmagic": ("%lsmagic", None),
    "%config": ("%config InlineBackend.figure_format = 'retina'", ""),
    "%precision": ("import math\n%precision 3\nmath.pi", None),
    "%reset": ("%reset -f\nprint('x' in globals())", "False\n"),
    "help": ("import math\nhelp(math.sqrt)\nmath.sqrt?", None),
    "_": ("6 * 7", None),
    "the last result": ("print(_, Out[max(Out)], len(In) > 5)", "42 42 True\n"),
    "warnings": (
        "import warnings\nwarnings.warn('careful')\nwarnings.simplefilter('ignore')",
        None,
    ),
    "logging": (
        """import logging, sys
logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s", force=True)
logging.info("logged")""",
        "logged\n",
    ),
    "10 MB of prints": (
        "for _ in range(100):\n    print('x' * 100_000)",
        re.compile("(x{100000}\n){100}"),
    ),
    "tests of its own": (
        """import unittest

class Test(unittest.TestCase):
    def test_it(self):
        self.assertEqual(1 + 1, 2)

print(unittest.main(argv=[""], exit=False).result.testsRun)""",
        "1\n",
    ),
    "its own source": (
        """import inspect

def documented(x):
    # with a comment
    return x

print(inspect.getsource(documented), end="")""",
        "def documented(x):\n    # with a comment\n    return x\n",
    ),
    "a program's habits": (
        """import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
if __name__ == "__main__":
    print(parser.parse_args([]).epochs, "__file__" in globals())""",
        "3 False\n",
    ),
    "input": ("print(repr(input('name? ')))", "name? \n''\n"),
    "getpass": ("import getpass\nprint(repr(getpass.getpass('key? ')))", "key? \n''\n"),
    "who runs it": (
        "import os, pwd\nprint(getpass.getuser(), type(os.getuid()).__name__)",
        "student int\n",
    ),
    "the machine": (
        """import platform, socket
print(os.cpu_count() > 0, platform.system(), len(socket.gethostname()) > 0, os.getpid() > 0)""",
        "True Linux True True\n",
    ),
    "what it uses": (
        """import resource
try:
    import psutil
    print(psutil.virtual_memory().total > 0, psutil.Process().memory_info().rss > 0)
except ImportError:
    print(True, True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0)""",
        "True True\nTrue\n",
    ),
    "names for everything": (
        """import secrets, uuid
print(len(str(uuid.uuid4())), len(str(uuid.uuid1())), len(secrets.token_hex(4)))""",
        "36 36 8\n",
    ),
    "the time of day": (
        """import datetime, time, zoneinfo
print(datetime.datetime.now() > datetime.datetime(2024, 1, 1), len(time.ctime()))
print(datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc).isoformat())""",
        "True 24\n2024-01-01T00:00:00+00:00\n",
    ),
    "deep recursion": (
        """def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)

sys.setrecursionlimit(10_000)
print(depth(5000))
sys.setrecursionlimit(1000)""",
        "5000\n",
    ),
    "a deep recursion in a large stack": (
        """import threading
sys.setrecursionlimit(30_000)
threading.stack_size(256 * 2**20)
thread = threading.Thread(target=lambda: print(depth(20_000)))
thread.start()
thread.join(20)
threading.stack_size(0)
sys.setrecursionlimit(1000)""",
        "20000\n",
    ),
    "200 MB": (
        """import numpy as np
large = np.ones(25 * 2**20)
print(large.sum() / 2**20, (large @ large) / 2**20)
del large""",
        "25.0 25.0\n",
    ),
    "too much memory is a MemoryError": (
        """try:
    np.ones((2**33,))
except MemoryError:
    print("too much")""",
        "too much\n",
    ),
    "linear algebra": (
        """rng = np.random.default_rng(0)
a = rng.normal(size=(300, 300))
print(np.allclose(a @ np.linalg.inv(a), np.eye(300)), np.linalg.svd(a)[1].shape)""",
        "True (300,)\n",
    ),
    "no network is an error like any other": (
        """import urllib.error, urllib.request
try:
    urllib.request.urlopen("http://127.0.0.1:9/", timeout=2)
except OSError as error:
    print("none")""",
        "none\n",
    ),
    "a breakpoint that was left in": (
        "for i in range(2):\n    breakpoint()\n    print('i is', i)",
        re.compile(r"(?s).*ipdb> c\ni is 0\n.*ipdb> c\ni is 1\n"),
    ),
    "Python's own debugger": (
        "import pdb\npdb.run('debugged = 5')\nprint(debugged)",
        re.compile(r"(?s).*ipdb> c\n5\n"),
    ),
    "an error looked into": (
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    pdb.post_mortem()\n%debug",
        re.compile(r"(?s).*ipdb> c\n.*"),
    ),
    "a shell": ("get_ipython().system('echo shell')", ""),
    "exit, by its name alone": ("exit", ""),
    "where it finds itself": (
        "shell = get_ipython()\nprint(type(shell).__name__, type(shell).__module__, "
        "type(shell.kernel).__name__, 'IPKernelApp' in shell.config, sys.stdout.encoding)",
        "ZMQInteractiveShell ipykernel.zmqshell IPythonKernel True UTF-8\n",
    ),
    "ctypes": (
        "import ctypes\nprint(ctypes.CDLL(None).abs(-3))",
        "3\n",
    ),
    "a tracer and a profiler": (
        """import cProfile, io, pstats
profile = cProfile.Profile()
profile.enable(); sum(range(10)); profile.disable()
pstats.Stats(profile, stream=io.StringIO()).print_stats()
import tracemalloc
tracemalloc.start(); list(range(10)); print(len(tracemalloc.take_snapshot().traces) > 0)
tracemalloc.stop()""",
        "True\n",
    ),
}

TORCH = {
    "training": (
        """import torch, torch.nn as nn
torch.manual_seed(0)
X = torch.randn(200, 3)
y = X @ torch.tensor([1.0, -2.0, 3.0])
model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
for _ in range(100):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(X).squeeze(1), y)
    loss.backward()
    optimizer.step()
print(loss.item() < 1)""",
        "True\n",
    ),
    "a DataLoader": (
        """from torch.utils.data import DataLoader, TensorDataset
loader = DataLoader(TensorDataset(X, y), batch_size=32, shuffle=True)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
for a, b in loader:
    optimizer.zero_grad()
    nn.functional.mse_loss(model(a).squeeze(1), b).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
scheduler.step()
print(len(loader))""",
        "7\n",
    ),
    "a DataLoader with workers": (
        """loader = DataLoader(TensorDataset(X, y), batch_size=50, num_workers=2)
print(sum(len(b) for _, b in loader), round(sum(a.sum().item() for a, _ in loader), 3)
      == round(X.sum().item(), 3))""",
        "200 True\n",
    ),
    "workers that stay": (
        """workers = {"num_workers": 1, "persistent_workers": True}
loader = DataLoader(TensorDataset(X), batch_size=50, **workers)
print([len(list(loader)) for _ in range(2)])
del loader""",
        "[4, 4]\n",
    ),
    "saved": (
        """torch.save(model.state_dict(), "own.pt")
other = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1))
print(other.load_state_dict(torch.load("own.pt")), torch.equal(other(X), model(X)))""",
        "<All keys matched successfully> True\n",
    ),
    "attention": (
        """layer = nn.TransformerEncoderLayer(8, 2, batch_first=True)
print(layer(torch.randn(2, 5, 8)).shape)
print(nn.MultiheadAttention(8, 2)(*[torch.randn(5, 1, 8)] * 3)[0].shape)""",
        "torch.Size([2, 5, 8])\ntorch.Size([5, 1, 8])\n",
    ),
    "a network with convolutions": (
        "print(nn.Conv2d(1, 2, 3)(torch.randn(1, 1, 8, 8)).mean().item() < 10)",
        "True\n",
    ),
    "the device": (
        """device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
print(device, X.to(device).device, torch.get_num_threads())""",
        "cpu cpu 1\n",
    ),
    "arrays and tensors": (
        "print(torch.from_numpy(X.numpy()).equal(X), torch.linalg.svd(X)[1].shape)",
        "True torch.Size([3])\n",
    ),
    "tensors of other processes": (
        """import torch.multiprocessing as multiprocessing

def double(tensor):
    tensor.mul_(2)

shared = torch.ones(3).share_memory_()
process = multiprocessing.Process(target=double, args=(shared,))
process.start()
process.join(10)
print(shared)""",
        "tensor([2., 2., 2.])\n",
    ),
    "two views of what is shared": (
        """whole = torch.zeros(4).share_memory_()
part = whole[:2].share_memory_()
process = multiprocessing.Process(target=part.add_, args=(1,))
process.start()
process.join(10)
print(whole, whole.share_memory_() is whole)""",
        "tensor([1., 1., 0., 0.]) True\n",
    ),
    "a graph of what was computed": (
        """x = torch.tensor(3.0, requires_grad=True)
(g,) = torch.autograd.grad(x**3, x, create_graph=True)
g.backward()
print(g.item(), x.grad.item(), torch.func.grad(lambda x: x**2)(torch.tensor(2.0)).item())""",
        "27.0 18.0 4.0\n",
    ),
    "a scripted function": (
        """@torch.jit.script
def twice(x: torch.Tensor) -> torch.Tensor:
    return 2 * x

print(twice(torch.ones(2)), torch.compile(lambda x: x + 1)(torch.ones(1)))""",
        "tensor([2., 2.]) tensor([2.])\n",
    ),
}

NOTEBOOKS = {
    "processes": PROCESSES,
    "at once": AT_ONCE,
    "shown": SHOWN,
    "files": FILES,
    "system": SYSTEM,
    "torch": TORCH,
}
CELLS = [(name, cell) for name, cells in NOTEBOOKS.items() for cell in cells]


@pytest.fixture(scope="module")
def ran(observe):
    """From a notebook's name to how it ran, and the outputs of each of its cells."""
    known = {}

    def notebook_named(name):
        if name not in known:
            outputs = []
            cells = submission([source for source, _ in NOTEBOOKS[name].values()])
            source = observe.kernels(cell_seconds=30)
            execution, _ = observe.run(notebook.observe(cells, {}, source, 1, outputs))
            known[name] = execution, outputs
        return known[name]

    return notebook_named


@pytest.mark.parametrize("name, cell", CELLS, ids=[f"{name}: {cell}" for name, cell in CELLS])
def test_it_works(ran, name, cell):
    execution, outputs = ran(name)
    number = list(NOTEBOOKS[name]).index(cell)

    assert failures(execution).get(number + 1) is None
    assert number < len(outputs), "the kernel died in an earlier cell"
    shows = NOTEBOOKS[name][cell][1]
    shown = text_of(outputs[number])
    if isinstance(shows, re.Pattern):
        assert shows.fullmatch(shown)
    elif shows is not None:
        assert shown == shows


def text_of(outputs):
    """What a cell printed to its standard output, and FIGURE for each picture."""
    assert not [o for o in outputs if o["output_type"] == "error"]
    printed = "".join(
        o["text"] for o in outputs if o["output_type"] == "stream" and o["name"] == "stdout"
    )
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    return printed + FIGURE * len(pictures)


def test_no_cell_was_left_out_or_passed_over(ran):
    for name in NOTEBOOKS:
        execution, _ = ran(name)
        assert execution.left_out == ()
        assert execution.missing == ()


# on rung B, where Python's own ways lead to folders of the whole machine
INSTALLED = {
    "what is installed": (
        """from importlib import metadata
print(metadata.version("numpy").count("."), bool(metadata.entry_points(group="matplotlib.backend")))
import pkgutil
print({"numpy", "matplotlib"} <= {module.name for module in pkgutil.iter_modules()})""",
        "2 True\nTrue\n",
    ),
    "a package that nobody named": ("import sympy\nprint(sympy.Integer(2) + 1)", "3\n"),
    "a package in another process": (
        """import subprocess, sys
asked = [sys.executable, "-c", "import json, scipy; print(json.dumps(scipy.__name__))"]
print(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)""",
        '"scipy"\n\n',
    ),
    "in /tmp": (
        """import os, tempfile
open("/tmp/own.txt", "w").write("temporary")
print(open("/tmp/own.txt").read(), "own.txt" in os.listdir("/tmp/"), os.path.exists("/tmp/no.txt"))
with tempfile.NamedTemporaryFile("w") as file:
    print(os.path.exists(file.name), open(file.name).read() == "")""",
        "temporary True False\nTrue True\n",
    ),
    "/tmp itself": (
        """import glob, os
open("/tmp/of_it.csv", "w").write("1,2")
print(glob.glob("/tmp/*.csv"), "of_it.csv" in os.listdir("/tmp"), os.path.isdir("/tmp"))
before = os.getcwd()
os.chdir("/tmp")
print(open("of_it.csv").read())
os.chdir(before)""",
        "['/tmp/of_it.csv'] True True\n1,2\n",
    ),
    "locks": (
        """import multiprocessing
lock, bounded = multiprocessing.RLock(), multiprocessing.BoundedSemaphore(2)
with lock, lock, bounded:
    print(bounded.get_value(), multiprocessing.Lock().acquire(False))
for one in (lock, bounded):
    try:
        one.release()
    except (AssertionError, ValueError) as error:
        print(error)
taken = multiprocessing.Lock()
taken.acquire()
print(taken.acquire(timeout=0.01), taken.acquire(False), multiprocessing.Queue().qsize())""",
        "1 True\nattempt to release recursive lock not owned by thread\n"
        "semaphore or lock released too many times\nFalse False 0\n",
    ),
    "a barrier": (
        """barrier = multiprocessing.Barrier(2)
process = multiprocessing.Process(target=barrier.wait, args=(10,))
process.start()
barrier.wait(10)
process.join(10)
print(process.exitcode)""",
        "0\n",
    ),
}
NOT_ON_B = {  # which need sockets, or a lock that has a name
    ("processes", "a manager"): "PermissionError",
    (
        "processes",
        "other ways to start",
    ): "RuntimeError: only forked processes can share locks here",
}
ON_B = {"installed": INSTALLED, "processes": PROCESSES, "shown": SHOWN, "torch": TORCH}
CELLS_ON_B = [(name, cell) for name, cells in ON_B.items() for cell in cells]


@pytest.fixture(scope="module")
def on_b(home, kind):
    """How each of these notebooks ran on rung B, and the outputs of each of its cells."""
    ran = {}

    async def run():
        rung = attacks.standing_without(attacks.rung_b())
        kernels = Ground(kind, rung).kernels(home, "", Limits(cell_seconds=30), IMPORTS)
        try:
            for name, cells in ON_B.items():
                outputs = []
                handed_in = submission([source for source, _ in cells.values()])
                execution, _ = await notebook.observe(handed_in, {}, kernels, 1, outputs)
                ran[name] = execution, outputs
        finally:
            await kernels.close()

    asyncio.run(run())
    return ran


@pytest.mark.parametrize("name, cell", CELLS_ON_B, ids=[f"{n}: {cell}" for n, cell in CELLS_ON_B])
def test_it_works_on_rung_b_too(on_b, kind, name, cell):
    execution, outputs = on_b[name]
    number = list(ON_B[name]).index(cell)
    error = failures(execution).get(number + 1) or ""

    assert error.startswith(NOT_ON_B.get((name, cell), ""))
    assert bool(error) == ((name, cell) in NOT_ON_B)
    if not error:
        shows, shown = ON_B[name][cell][1], text_of(outputs[number])
        if kind == "cold" and cell == "a worker that prints":
            shows = ""  # it comes by a socket there
        assert shows is None or re.fullmatch(
            shows.pattern if isinstance(shows, re.Pattern) else re.escape(shows), shown
        )


ASKED = {  # what a function may do when it is asked, in a fork of the kernel
    "workers": (
        "import multiprocessing\ndef f(x):\n"
        "    with multiprocessing.Pool(2) as pool:\n        return pool.map(abs, [-x, x - 1])",
        [2, 1],
    ),
    "threads": (
        "from concurrent.futures import ThreadPoolExecutor\ndef f(x):\n"
        "    with ThreadPoolExecutor(2) as pool:\n        return list(pool.map(abs, [-x, x]))",
        [2, 2],
    ),
    "programs": (
        "import subprocess\ndef f(x):\n    return subprocess.getoutput('echo asked')",
        "asked",
    ),
    "files": (
        "def f(x):\n    open('own.txt', 'w').write('x' * x)\n    return open('own.txt').read()",
        "xx",
    ),
    "figures": (
        "import matplotlib.pyplot as p\ndef f(x):\n    p.plot([x])\n    p.show()\n    return x",
        2,
    ),
    "a loader with workers": (
        "import torch\nfrom torch.utils.data import DataLoader\ndef f(x):\n"
        "    return sum(len(b) for b in DataLoader(torch.arange(10 * x), 5, num_workers=2))",
        20,
    ),
    "training": (
        "import torch\nw = torch.zeros(3, requires_grad=True)\n"
        "optimizer = torch.optim.Adam([w], lr=0.1)\ndef f(x):\n    for _ in range(50):\n"
        "        optimizer.zero_grad()\n        ((w - x) ** 2).sum().backward()\n"
        "        optimizer.step()\n    return bool((w - x).abs().max() < 0.5)",
        True,
    ),
    "what it shows": (
        "from IPython.display import HTML, clear_output, update_display\ndef f(x):\n"
        "    display(HTML('<b>x</b>'))\n    clear_output(wait=True)\n"
        "    display(x, display_id='a')\n    update_display(x, display_id='a')\n"
        "    clear_output()\n    return x",
        2,
    ),
    "what it writes below Python": (
        "import os, subprocess\ndef f(x):\n    os.write(1, b'out')\n    os.write(2, b'err')\n"
        "    return subprocess.run(['echo', 'x']).returncode",
        0,
    ),
    "progress": ("from tqdm.auto import tqdm\ndef f(x):\n    return sum(tqdm(range(x)))", 1),
    "questions": ("def f(x):\n    return input('more?') + 'none'", "none"),
}


@pytest.mark.parametrize("name", ASKED)
def test_it_works_when_it_is_asked_too(observe, name):
    source, value = ASKED[name]

    execution, observed = observe([source], asking("f", case(2)))
    (answer,) = seen(observed["f"])

    assert execution.failures == ()
    assert (answer.error, answer.value) == ("", value)


@pytest.mark.parametrize("kind", ["pipe"], indirect=True)
@pytest.mark.parametrize("name", ASKED)
def test_it_works_when_a_fork_is_asked(observe, name, monkeypatch):
    monkeypatch.setattr(notebook, "LIGHT_SECONDS", 0)

    test_it_works_when_it_is_asked_too(observe, name)
