"""A process that has imported what notebooks import, and forks a kernel for each of them.

This file's text runs inside the outer wall.  It never reads what a student wrote: a notebook's code
travels over a socket that is handed on to its fork, so no later fork can find it in its memory.

It imports and never computes: a library that has started threads hangs in every fork.  Only two
small cells of ours, which start no thread, are run before the first fork, or each would pay for
what they import and compile.  What it imported is put out of sight again and comes back when a
notebook imports it, or else a notebook that forgot an import would run here and nowhere else.
"""

import builtins
import functools
import gc
import importlib
import importlib.machinery
import importlib.util
import json
import os
import signal
import socket
import sys
import tempfile
import traceback

import grader_walls


class _Kept:
    """Modules that are imported, but not to be seen until a notebook imports them.

    One that is imported is shown with all that its own import brings, as far as that is known from
    the `import` statements that ran: `import torch` brings more than a thousand modules, and
    `import gzip` two, though pyplot needed them as well.
    """

    def __init__(self):
        self.groups = {}  # modules, by the name with which they came
        self.modules = {}  # all of them
        self.needs = {}  # by module, the names that it imports
        self.brought = {}  # by the name of a group, all that is shown with it
        self.bound = set()  # those that are shown later than the package of which they are parts
        self.shown = set()

    def add(self, names, then):
        """Import each of `names`, and put what came with it out of sight.

        then  functions by name, called when it has been imported
        """
        sys.modules.update(self.modules)  # which may need one another
        for name in self.bound:
            self._bind(name)
        own = builtins.__import__
        builtins.__import__ = functools.partial(self._import, own)
        try:
            for name in names:
                before = set(sys.modules)
                importlib.import_module(name)
                if name in then:
                    then[name]()
                self.groups[name] = {n: m for n, m in sys.modules.items() if n not in before}
                self.modules.update(self.groups[name])
        finally:
            builtins.__import__ = own
        for name, group in self.groups.items():
            self.needs.setdefault(name, set()).update(group)
        self.brought = {name: self._with_needs([name]) for name in self.groups}
        self._hide()

    def _import(self, own, name, globals=None, locals=None, fromlist=(), level=0):
        """`__import__`, which notes who imports what."""
        module = own(name, globals, locals, fromlist, level)
        importer = (globals or {}).get("__name__")
        if importer and importer not in self.modules:  # or a function of it was called only now
            needs = self.needs.setdefault(importer, set())
            if level:
                package = globals.get("__package__") or importer
                name = importlib.util.resolve_name("." * level + name, package)
            needs.add(name)
            for part in fromlist or ():
                parts = getattr(module, "__all__", ()) if part == "*" else (part,)
                needs.update(f"{name}.{one}" for one in parts)
        return module

    def _with_needs(self, names):
        """These modules, all that they need, and the packages that those lie in."""
        found, todo = set(), list(names)
        while todo:
            name = todo.pop()
            if name in self.modules and name not in found:
                found.add(name)
                todo.append(name.rpartition(".")[0])
                todo += self.needs.get(name, ())
        return [name for name in self.modules if name in found]

    def _hide(self):
        self.shown, with_its_package = set(), set()
        for package in {name.partition(".")[0] for name in self.modules}:
            with_its_package.update(
                name for name in self._with_needs([package]) if name.partition(".")[0] == package
            )
        for name, module in self.modules.items():
            sys.modules.pop(name, None)
            if name in with_its_package:
                continue  # an attribute put back costs a fork a copy of what it lies in
            home, child = self._place(name)
            if vars(home).get(child) is module:
                self.bound.add(name)
                delattr(home, child)
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def _place(self, name):
        """The package in which a module lies, and its name there."""
        parent, _, child = name.rpartition(".")
        return self.modules.get(parent) or sys.modules[parent], child

    def _bind(self, name):
        home, child = self._place(name)
        setattr(home, child, self.modules[name])

    def find_spec(self, name, path=None, target=None):
        module = self.modules.get(name)
        if module is None:
            return None
        if name not in self.shown:
            new = self.brought.get(name) or self._with_needs([name])
            for other in new:
                if other in self.shown:
                    continue
                self.shown.add(other)
                if other != name:  # which importlib puts there; if it finds it, it loads it anew
                    sys.modules.setdefault(other, self.modules[other])
                if other in self.bound:
                    self._bind(other)
        return importlib.machinery.ModuleSpec(name, _AsItIs(module))


class _AsItIs:
    """A loader that gives a module which was loaded before."""

    def __init__(self, module):
        self.module, self.spec = module, module.__spec__
        self.loader = getattr(module, "__loader__", None)

    def create_module(self, spec):
        return self.module

    def exec_module(self, module):
        module.__spec__, module.__loader__ = self.spec, self.loader


class Zygote:
    """`control` carries requests, one a datagram; an end of it ends everything in here."""

    def __init__(self, control, config):
        self.control, self.config = control, config
        self.walls = grader_walls.Walls(
            config["walls"], config["read"], config["alone"], listed=config["listed"]
        )
        self.kept = _Kept()
        self.pids = self.way_back() if config["alone"] else None

    def way_back(self):
        """A descriptor by which this process comes back to its own namespace after each fork; None
        where it may not, as a plain user's: that namespace is older than the user's own."""
        pids = os.open("/proc/self/ns/pid", os.O_RDONLY)
        try:
            grader_walls.setns(pids, grader_walls.NEWPID)
        except OSError:
            os.close(pids)
            return None
        return pids

    def run(self):
        import numpy  # noqa: F401  (which our own half in the kernel needs)

        sys.modules["grader_serving"].warm()
        if self.config["alone"]:  # each kernel will find itself in the same place
            os.chdir(self.config["work"])
            self.boot()
            os.chdir("/")
        self.imports(self.config["imports"])
        sys.modules["grader_serving"].rehearse()
        if not self.config["alone"]:
            # whatever a kernel leaves behind comes back to us
            grader_walls.prctl(grader_walls.CHILD_SUBREAPER, 1)
        self.serve()

    def boot(self):
        shell = sys.modules["grader_serving"].KERNEL.shell
        sys.modules["grader_inside"].boot(shell, self.config["settings"])

    def imports(self, names):
        """Import what some notebook of this run imports, as far as it is installed."""
        there = []
        for name in names:
            try:
                if importlib.util.find_spec(name.partition(".")[0]) is not None:
                    there.append(name)
            except (ImportError, ValueError):
                pass
        new = [name for name in there if name not in self.kept.groups]
        self.kept.add(new, {"matplotlib.pyplot": sys.modules["grader_serving"].figures})

    def serve(self):
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks are reaped by the system
        gc.collect()
        gc.freeze()
        threads = len(os.listdir("/proc/self/task"))
        if threads > 1:
            raise RuntimeError(f"{threads} threads before the first fork: it would hang")
        self.say({"ready": True})
        while True:
            data, descriptors, *_ = socket.recv_fds(self.control, 2**20, 4)
            if not data:
                self.end()
            request = json.loads(data)
            if request["fork"] == "zygote":
                self.branch(request["imports"], descriptors)
            else:
                self.kernel(request, descriptors)
            for descriptor in descriptors:
                os.close(descriptor)

    def say(self, content, descriptors=()):
        data = [json.dumps(content).encode()]
        socket.send_fds(self.control, data, descriptors)

    def end(self):
        """Without namespaces, what kernels left behind has no end but this."""
        if not self.config["alone"]:
            while children := _children():
                for child in children:
                    try:
                        os.kill(child, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
        os._exit(0)

    def branch(self, imports, descriptors):
        """Fork a zygote that has imported more; it answers on a socket of its own."""
        child = os.fork()
        if child:
            self.told(child)
            return
        try:
            self.control.close()
            self.control = socket.socket(fileno=descriptors[0])
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self.imports(imports)
            self.serve()
        except BaseException:
            _last_words(self.control, json.dumps({"error": traceback.format_exc()[-2000:]}))
        finally:
            os._exit(1)

    def told(self, child):
        """Tell the other side which process it is, by a descriptor that no later one can have."""
        descriptor = os.pidfd_open(child)
        self.say({"child": child}, [descriptor])
        os.close(descriptor)

    def kernel(self, request, descriptors):
        """Fork a kernel, the first process of its own namespace where there are namespaces."""
        between = self.config["alone"] and self.pids is None
        if between and os.fork():
            return  # the process between goes to the new namespace, and never comes back
        if self.config["alone"]:
            grader_walls.unshare(grader_walls.NEWPID)
        child = os.fork()
        if child:
            self.told(child)
            if between:
                os._exit(0)
            if self.config["alone"]:
                grader_walls.setns(self.pids, grader_walls.NEWPID)
            return
        wire = None
        try:
            wire = self.become_kernel(request, *descriptors)
        except BaseException:
            wire = wire or socket.socket(fileno=descriptors[0])
            sys.modules["grader_serving"].told_failure(wire, traceback.format_exc()[-2000:])
        finally:
            os._exit(1)

    def become_kernel(self, request, wire, out, err):
        last = 2
        for kept in sorted((wire, out, err)):
            os.closerange(last + 1, kept)
            last = kept
        os.closerange(last + 1, grader_walls.FILES)
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        run = request["run"]
        os.environ.update(request["environment"])
        tempfile.tempdir = None  # what the zygote found may be another place
        self.walls.up(run)
        if not self.config["alone"]:
            grader_walls.prctl(grader_walls.PARENT_DEATH_SIGNAL, signal.SIGKILL)
            grader_walls.prctl(grader_walls.CHILD_SUBREAPER, 1)
        sys.argv[:] = ["kernel"]
        sys.path.insert(0, "")
        inside = sys.modules["grader_inside"]
        if not self.config["alone"]:
            self.boot()
        if torch := self.kept.groups.get("torch"):
            torch["torch.random"].default_generator.manual_seed(request["seed"])
        sys.modules["grader_serving"].serve(
            socket.socket(fileno=wire),
            out,
            err,
            lambda: inside.begin(request["seed"]),
            {"answer": inside.answer, "tell_notes": inside.tell_notes},
        )


def _children():
    found = []
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children") as file:
            found += [int(pid) for pid in file.read().split()]
    return found


def _last_words(control, text):
    try:
        control.send(text.encode())
    except OSError:
        pass  # nobody listens any more


def main(descriptor, config):
    """Serve on the socket until it is closed."""
    control = socket.socket(fileno=descriptor)
    try:
        Zygote(control, config).run()
    except BaseException:
        _last_words(control, json.dumps({"error": traceback.format_exc()[-2000:]}))
        os._exit(1)
