"""What Colab had and this machine has not, put in place before a notebook's first cell.

This file's text is run inside the kernel; it imports nothing of the grader.  Every adaptation is
noted once, in words for the student, in the list that `install` returns.
"""

import ast
import builtins
import contextlib
import copyreg
import functools
import genericpath
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import re
import signal
import sys
import tempfile
import types

DRIVE = re.compile(r"^/content(?:/|$)")
DEVICE = re.compile(r"^(?:cuda|mps|xla|tpu|xpu|hpu)(?::\d+)?$")
SHELL = re.compile(
    r"^(\s*)(?:!|%(?:pip|conda|mamba|system|sx|sc|cd|env|set_env|load_ext|reload_ext|autoreload"
    r"|tensorboard|cp|mv|rm|ls|cat|mkdir|wget|uv|bigquery|shell)\b)(.*)$"
)
DEBUGGER = re.compile(r"\(*i?pdb\)*>? *", re.IGNORECASE)
SHELL_CELL = re.compile(r"^\s*%%(?:bash|sh|shell|script|system|sx|html|javascript|js|svg|latex)\b")
ASSIGNED_SHELL = re.compile(r"^(\s*+)([\w\s,]++=)\s*+(?:!|%(?:sx|system|env)\b)(.*)$")


def install(shell, data, training_steps, seed, also):
    """Adapt the kernel of `shell`; returns the list in which adaptations are noted as they happen,
    and that of packages which the notebook imports and this machine lacks.

    data            the folder of what the homework hands out beside the notebooks, or ""
    training_steps  backward passes after which training is ended by a KeyboardInterrupt; 0: never
    seed            tells the seed of torch's generators, which no notebook is bound to seed
    also            is given torch, once it is imported
    """
    notes, missing = [], []

    def note(text):
        if text not in notes and len(notes) < 100:
            notes.append(text[:300])

    work = os.getcwd()
    paths = _Paths(work, data, note)
    _packages(shell, note, missing)
    _files(shell, paths)
    _asking(shell, note)
    _shell_lines(shell, note)
    _progress_bars()

    def adapt(torch):
        torch.manual_seed(seed())
        _torch(paths, training_steps, note, torch)
        also(torch)

    sys.meta_path.insert(0, _AfterTorch(adapt))
    if data:
        sys.path.append(data)
    return notes, missing


# google.colab ------------------------------------------------------------------------


class _Package(types.ModuleType):
    __path__ = []  # noqa: RUF012

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return importlib.import_module(f"{self.__name__}.{name}")
        except ModuleNotFoundError as error:
            raise AttributeError(name) from error


class _ColabFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, note):
        self.note = note

    def find_spec(self, name, path=None, target=None):
        if name == "google":
            if importlib.machinery.PathFinder.find_spec("google", sys.path) is not None:
                return None  # a real namespace: only google.colab below it is ours
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        if name == "google.colab" or name.startswith("google.colab."):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return _Package(spec.name)

    def exec_module(self, module):
        note = self.note

        def mount(mountpoint="/content/drive", *_, **__):
            note(f"drive.mount({mountpoint!r}): there is no Google Drive here")
            print(f"Mounted at {mountpoint}")

        def upload(*_, **__):
            note("files.upload(): nothing was uploaded, it returned {}")
            return {}

        class SecretNotFoundError(Exception):
            pass

        def secret(key):
            note(f"userdata.get({key!r}): there are no secrets here")
            raise SecretNotFoundError(key)

        def nothing(*_, **__):
            return None

        provided = {
            "drive": {"mount": mount, "flush_and_unmount": nothing},
            "files": {"upload": upload, "download": nothing, "view": nothing},
            "userdata": {"get": secret, "SecretNotFoundError": SecretNotFoundError},
            "output": {"clear": nothing, "enable_custom_widget_manager": nothing},
            "patches": {"cv2_imshow": nothing},
            "auth": {"authenticate_user": nothing},
            "data_table": {"enable_dataframe_formatter": nothing},
        }
        vars(module).update(provided.get(module.__name__.rpartition(".")[2], {}))


# packages that draw or keep a log: nothing that is judged depends on them
ONLY_SHOW = frozenset(
    "altair bokeh plotly seaborn tensorboard torchinfo torchsummary torchviz wandb".split()
)
NEEDS_TENSORBOARD = "torch.utils.tensorboard"


class _Nothing(types.ModuleType):
    """Stands for a package that only shows things: whatever is asked of it does nothing."""

    __path__ = []  # noqa: RUF012

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing(name)

    def __call__(self, *_, **__):
        return self

    def __getitem__(self, key):
        return self

    def __setitem__(self, key, value):
        pass

    def __iter__(self):
        return iter(())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


class _NothingFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The last of all finders: what it is asked for is really not there."""

    def __init__(self, note):
        self.note = note

    def find_spec(self, name, path=None, target=None):
        asked = name.partition(".")[0] in ONLY_SHOW
        if not asked and not name.startswith(NEEDS_TENSORBOARD):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return _Nothing(spec.name)

    def exec_module(self, module):
        package = module.__name__.partition(".")[0]
        self.note(f"the package {package!r} is not here: what it would have shown was left out")


class _OnlyTensorboard(importlib.abc.MetaPathFinder):
    """PyTorch's own door to a package that is not here, which would ask it for its version."""

    def __init__(self, nothing):
        self.nothing = nothing

    def find_spec(self, name, path=None, target=None):
        return self.nothing.find_spec(name) if name.startswith(NEEDS_TENSORBOARD) else None


class _Imports(ast.NodeTransformer):
    """A package that is not here costs its own import, not the rest of the cell.

    Colab has far more packages than any one machine: whoever answers for the marks is told what
    was missing, and nobody loses points for it.
    """

    def visit_Module(self, module):
        module.body = [
            self.guarded(s) if isinstance(s, (ast.Import, ast.ImportFrom)) else s
            for s in module.body
        ]
        return module

    def guarded(self, statement):
        call = "__import__('sys').modules['grader_colab'].package_missing()"
        handler = ast.ExceptHandler(
            type=ast.Name("ModuleNotFoundError", ast.Load()),
            name=None,
            body=[ast.Expr(ast.parse(call, mode="eval").body)],
        )
        guarded = ast.Try(body=[statement], handlers=[handler], orelse=[], finalbody=[])
        for node in ast.walk(handler):
            ast.copy_location(node, statement)
        return ast.copy_location(guarded, statement)


def _packages(shell, note, missing):
    global package_missing

    def package_missing():
        """Notes the package that could not be imported; a module within one is an error."""
        error = sys.exc_info()[1]
        name = error.name or ""
        if "." in name or name in sys.modules:
            raise error
        note(f"the package {name!r} is not installed here: its import was passed over")
        if name not in missing and len(missing) < 20:
            missing.append(name[:100])

    shell.ast_transformers.append(_Imports())
    sys.meta_path.insert(0, _ColabFinder(note))
    nothing = _NothingFinder(note)
    if importlib.util.find_spec("tensorboard") is None:
        sys.meta_path.insert(0, _OnlyTensorboard(nothing))
    sys.meta_path.append(nothing)


# paths ---------------------------------------------------------------------------------


class _Paths:
    """/content/… lies in the working folder, and /tmp is the notebook's own folder for temporary
    files; a file that is not there is looked for by the end of its path among what the homework
    hands out."""

    def __init__(self, work, data, note):
        self.work, self.data, self.note = work, data, note
        self.temporary = tempfile.gettempdir()
        self.own = tuple(filter(None, (os.path.dirname(self.temporary), data)))
        self.stat = os.stat  # before it is wrapped

    def __call__(self, path, writing=False):
        """Where `path` lies here; `path` itself if it needs no other."""
        try:
            asked = os.fspath(path)
        except TypeError:
            return path  # a file descriptor or an open file
        if not isinstance(asked, str) or not asked or "\0" in asked:
            return path
        drive = DRIVE.match(asked)
        if drive:
            local = os.path.join(self.work, *asked.strip("/").split("/")[1:])
        elif os.path.isabs(asked) and asked.startswith(self.work):
            return path
        elif f"{asked}/".startswith("/tmp/") and not asked.startswith(self.own):
            own = os.path.join(self.temporary, asked[len("/tmp/") :])
            local = own if writing or self.exists(own) else asked
        else:
            local = asked
        if self.exists(local):
            return local if local != asked else path
        if writing:
            if drive and not self.exists(os.path.dirname(local)):
                os.makedirs(os.path.dirname(local), exist_ok=True)  # as on the mounted drive
            return local
        handed_out = self.longest_suffix(asked)
        if handed_out:
            self.note(f"the path {asked!r} was read from the homework's data")
            return handed_out
        return local if local != asked else path

    def exists(self, path):
        try:
            self.stat(path)
        except (OSError, ValueError):
            return False
        return True

    def longest_suffix(self, asked):
        if not self.data:
            return None
        parts = [part for part in re.split(r"[/\\]", asked) if part not in ("", ".", "..")]
        for start in range(len(parts)):
            candidate = os.path.join(self.data, *parts[start:])
            if self.exists(candidate):
                return candidate
        return None


def _wrapped(module, name, paths, count=1, writing=False):
    original = getattr(module, name)

    @functools.wraps(original)
    def wrapper(*args, **kwargs):
        here = (paths(a, writing) if i < count else a for i, a in enumerate(args))
        return original(*here, **kwargs)

    setattr(module, name, wrapper)


def _files(shell, paths):
    plain_open = io.open

    @functools.wraps(plain_open)
    def opened(file, mode="r", *args, **kwargs):
        writing = isinstance(mode, str) and not set(mode).isdisjoint("wax+")
        return plain_open(paths(file, writing), mode, *args, **kwargs)

    io.open = builtins.open = opened
    shell.user_ns["open"] = opened  # IPython puts an open() of its own there
    with contextlib.suppress(KeyError, AttributeError):  # NumPy's text files took theirs before
        sys.modules["numpy.lib._datasource"]._file_openers._file_openers[None] = opened
    for name in ("stat", "lstat", "listdir", "scandir", "access"):
        _wrapped(os, name, paths)
    for name in ("mkdir", "makedirs", "remove", "unlink", "chdir"):
        _wrapped(os, name, paths, writing=True)
    for name in ("rename", "replace"):
        _wrapped(os, name, paths, 2, writing=True)
    for name in ("exists", "isfile", "isdir", "getsize"):
        _wrapped(genericpath, name, paths)
        setattr(os.path, name, getattr(genericpath, name))

    class SearchPath(list):
        def append(self, item):
            super().append(paths(item))

        def insert(self, index, item):
            super().insert(index, paths(item))

    sys.path = SearchPath(sys.path)


# questions, shell lines, widgets -----------------------------------------------------------


def _asking(shell, note):
    def answer(prompt="", *_, **__):
        if DEBUGGER.fullmatch(str(prompt)):  # which asks again for ever
            note("the debugger was told to go on")
            print(f"{prompt}c")
            return "c"
        note(f"input({str(prompt)[:60]!r}) was answered with an empty line")
        print(prompt)
        return ""

    # ipykernel puts builtins.input back before every cell; what it forwards to stays
    shell.kernel.raw_input = answer
    shell.kernel.getpass = answer

    def stay():
        note("exit() was not carried out")

    shell.ask_exit = stay
    kill = os.kill

    @functools.wraps(kill)
    def kill_or_restart(pid, number, /):
        if pid == os.getpid() and number == signal.SIGKILL:
            os._exit(137)  # how notebooks restart Colab; a first process cannot kill itself
        return kill(pid, number)

    os.kill = kill_or_restart


def _shell_lines(shell, note):
    def cleaned(lines):
        if lines and SHELL_CELL.match(lines[0]):
            note(f"the cell {lines[0].strip()!r} was not run")
            return ["pass\n"]
        out = []
        for line in lines:
            command, assigned = SHELL.match(line), ASSIGNED_SHELL.match(line)
            if command:
                note(f"{line.strip()!r} was not run")
                out.append(f"{command[1]}pass\n")
            elif assigned:
                note(f"{line.strip()!r} was not run")
                out.append(f"{assigned[1]}{assigned[2].strip()} []\n")
            else:
                out.append(line)
        return out

    def outside_strings(lines):
        if not any(p.match(line) for line in lines for p in (SHELL, ASSIGNED_SHELL, SHELL_CELL)):
            return lines
        # a line that only looks like a command, inside a text, makes valid Python as it is
        try:
            compile("".join(lines), "<cell>", "exec", 0x2000)  # PyCF_ALLOW_TOP_LEVEL_AWAIT
        except (SyntaxError, ValueError):
            return cleaned(lines)
        return lines

    shell.input_transformers_cleanup.append(outside_strings)
    shell.system = lambda command: note(f"{'!' + command.strip()!r} was not run")


def _progress_bars():
    class Plain(importlib.abc.MetaPathFinder, importlib.abc.Loader):
        def find_spec(self, name, path=None, target=None):
            if name in ("tqdm.notebook", "tqdm.autonotebook"):
                return importlib.machinery.ModuleSpec(name, self)
            return None

        def create_module(self, spec):
            return None

        def exec_module(self, module):
            import tqdm

            module.tqdm = module.tqdm_notebook = tqdm.tqdm
            module.trange = module.tnrange = tqdm.trange

    sys.meta_path.insert(0, Plain())


# torch -----------------------------------------------------------------------------------


class _AfterTorch(importlib.abc.MetaPathFinder):
    """Adapts torch right after it is imported."""

    def __init__(self, adapt):
        self.adapt, self.done = adapt, False

    def find_spec(self, name, path=None, target=None):
        if name != "torch" or self.done:
            return None
        others = (f.find_spec(name, path) for f in sys.meta_path if f is not self)
        spec = next((found for found in others if found is not None), None)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_adapt(module):
            self.done = True
            execute(module)
            self.adapt(module)

        spec.loader.exec_module = execute_and_adapt
        return spec


FACTORIES = (
    "arange as_tensor asarray empty empty_like empty_strided eye full full_like linspace logspace "
    "normal ones ones_like rand rand_like randint randint_like randn randn_like randperm "
    "scalar_tensor sparse_coo_tensor tensor tril_indices triu_indices zeros zeros_like "
    "hann_window hamming_window set_default_device"
).split()
MOVERS = "new_tensor new_empty new_full new_ones new_zeros".split()


def _torch(paths, training_steps, note, torch):
    """Every device is the CPU.  Functions are wrapped, not dispatched: a TorchFunctionMode would
    slow down each operation of the training and switch torch's own fast paths off."""
    real_device = torch.device

    def on_cpu(value):
        if isinstance(value, str) and DEVICE.match(value):
            note(f"the device {value!r} is not here: the CPU was used")
            return "cpu"
        if type(value) is real_device and value.type not in ("cpu", "meta"):
            note(f"the device {str(value)!r} is not here: the CPU was used")
            return real_device("cpu")
        return value

    def by_number(value):
        if type(value) is int:
            note(f"the device '{value}' is not here: the CPU was used")
            return "cpu"
        return on_cpu(value)

    def here(function, argument=on_cpu):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            if any(type(a) in (str, int, real_device) for a in args):
                args = tuple(argument(a) for a in args)
            if kwargs and "device" in kwargs:
                kwargs["device"] = by_number(kwargs["device"])
            return function(*args, **kwargs)

        return wrapper

    class DeviceType(type):
        def __instancecheck__(cls, value):
            return isinstance(value, real_device)

        def __subclasscheck__(cls, kind):
            return issubclass(kind, real_device)

    class device(metaclass=DeviceType):  # it stands in for torch.device
        def __new__(cls, *args, **kwargs):
            first = args[0] if args else kwargs.get("type", kwargs.get("device", "cpu"))
            if isinstance(first, int) or DEVICE.match(str(first)):
                note(f"the device {str(first)!r} is not here: the CPU was used")
                return real_device("cpu")
            return real_device(*args, **kwargs)

    device.__module__, device.__qualname__ = "torch", "device"  # by which pickle finds it
    copyreg.pickle(real_device, lambda value: (device, (str(value),)))
    torch.device = device
    for name in FACTORIES:
        if hasattr(torch, name):
            setattr(torch, name, here(getattr(torch, name)))
    for name in MOVERS:
        setattr(torch.Tensor, name, here(getattr(torch.Tensor, name)))
    for kind in (torch.Tensor, torch.nn.Module):
        kind.to = here(kind.to, by_number)
    torch.nn.Module.to_empty = here(torch.nn.Module.to_empty)

    def stay(self, *_, **__):
        note("the device 'cuda' is not here: the CPU was used")
        return self

    for kind in (torch.Tensor, torch.nn.Module):
        kind.cuda = stay
    torch.Tensor.pin_memory = lambda self, *_, **__: self

    real_generator = torch.Generator

    class GeneratorType(type):
        def __instancecheck__(cls, value):
            return isinstance(value, real_generator)

    class Generator(metaclass=GeneratorType):
        def __new__(cls, device="cpu"):
            return real_generator(on_cpu(device))

    torch.Generator = Generator

    def nothing():
        return lambda *_, **__: None  # a new one each: torch tells its functions apart by them

    torch.set_num_threads = nothing()  # a kernel has one; its forks would hang with more
    torch.mps.manual_seed = nothing()
    for name in "synchronize empty_cache set_device reset_peak_memory_stats".split():
        setattr(torch.cuda, name, nothing())

    class Event:
        """A moment on a GPU that is not here: no time passes between two."""

        def __init__(self, *_, **__):
            self.record = self.synchronize = self.wait = nothing()

        def elapsed_time(self, _):
            return 0.0

    torch.cuda.Event = Event
    torch.cuda.get_device_name = lambda *_, **__: "CPU"
    torch.cuda.current_device = lambda: 0
    torch.cuda.device = lambda *_, **__: contextlib.nullcontext()

    # tensor types by their old names, torch.cuda.FloatTensor and the like
    for name in [name for name in vars(torch.cuda) if name.endswith("Tensor")]:
        setattr(torch.cuda, name, getattr(torch, name))
    set_type = torch.set_default_tensor_type

    def set_type_here(kind):
        set_type(kind.replace("torch.cuda.", "torch.") if isinstance(kind, str) else kind)

    torch.set_default_tensor_type = set_type_here

    # compiling takes a C compiler, and minutes; what it makes computes the same
    def as_it_is(model=None, *_, **__):
        return model if model is not None else lambda function: function

    torch.compile, torch.nn.Module.compile = as_it_is, nothing()

    load, save = torch.load, torch.save

    @functools.wraps(load)
    def load_here(f, map_location=None, *args, weights_only=False, **kwargs):
        # whole models are loaded, as by Colab's PyTorch; it is the notebook's own file
        return load(paths(f), "cpu", *args, weights_only=weights_only, **kwargs)

    @functools.wraps(save)
    def save_here(obj, f, *args, **kwargs):
        return save(obj, paths(f, writing=True), *args, **kwargs)

    torch.load, torch.save = load_here, save_here
    if training_steps:
        _end_long_training(torch, training_steps, note)


def _end_long_training(torch, budget, note):
    # backward passes are counted, not optimizer steps: many loops update the weights by hand
    backward = torch.autograd.backward
    steps = 0

    @functools.wraps(backward)
    def counted(*args, **kwargs):
        nonlocal steps
        steps += 1
        if steps > budget:
            steps = 0
            note(f"training was ended after {budget} steps; the later cells were run")
            raise KeyboardInterrupt(f"training ended after {budget} steps")
        return backward(*args, **kwargs)

    torch.autograd.backward = counted
