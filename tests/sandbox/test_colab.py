"""What notebooks written for Colab do works here, and is noted where it was adapted."""

import time

import pytest

from grader.authoring import case
from grader.model import Outcome, Printed
from tests.sandbox.conftest import asking, failures, seen

pytestmark = pytest.mark.kernel

NO_CUDA = "the device 'cuda' is not here: the CPU was used"

# a cell, and what is noted of it
HABITS = {
    "drive": (
        "from google.colab import drive, files, output, auth\n"
        "drive.mount('/content/drive')\n"
        "drive.mount('/content/drive', force_remount=True)\n"
        "output.clear(); auth.authenticate_user(); files.download('x')",
        "drive.mount('/content/drive'): there is no Google Drive here",
    ),
    "upload": (
        "from google.colab import files\nassert files.upload() == {}",
        "files.upload(): nothing was uploaded, it returned {}",
    ),
    "google.colab by its full name": (
        "import google.colab\ngoogle.colab.drive.mount('/content/drive')\n"
        "assert not hasattr(google, 'cloud')",
        None,
    ),
    "userdata": (
        "from google.colab import userdata\ntry:\n    userdata.get('KEY')\n    assert False\n"
        "except userdata.SecretNotFoundError:\n    pass",
        "userdata.get('KEY'): there are no secrets here",
    ),
    "!pip": ("!pip install -q torchtext", "'!pip install -q torchtext' was not run"),
    "%pip": ("%pip install torchtext", "'%pip install torchtext' was not run"),
    "!nvidia-smi in a branch": (
        "if True:\n    !nvidia-smi\n    branch = 1\nassert branch == 1",
        "'!nvidia-smi' was not run",
    ),
    "x = !ls": ("names = !ls\nassert list(names) == []", "'names = !ls' was not run"),
    "%cd": (
        "%cd /content/drive/MyDrive/Week14",
        "'%cd /content/drive/MyDrive/Week14' was not run",
    ),
    "%%bash": ("%%bash\nls", "the cell '%%bash' was not run"),
    "a command in a text": (
        "text = '''\n!ls\n%cd x\n'''\nassert text == '\\n!ls\\n%cd x\\n'",
        None,
    ),
    "extensions": ("%load_ext autoreload\n%autoreload 2", "'%autoreload 2' was not run"),
    "a form": ("#@title Settings\nrate = 0.1 #@param {type:'number'}", None),
    "data from the drive": (
        "path = '/content/drive/MyDrive/Week14/data/wikitext-2/train.txt'\n"
        "assert len(open(path).read()) > 1000",
        "the path '/content/drive/MyDrive/Week14/data/wikitext-2/train.txt' was read from the "
        "homework's data",
    ),
    "data from here": (
        "assert len(open('data/wikitext-2/train.txt').read()) > 1000",
        "the path 'data/wikitext-2/train.txt' was read from the homework's data",
    ),
    "is it there": (
        "import os\nfolder = '/content/drive/My Drive/hw/wikitext-2'\n"
        "assert os.path.isdir(folder) and 'train.txt' in os.listdir(folder)\n"
        "assert not os.path.exists('/content/drive/My Drive/other')",
        None,
    ),
    "written and read": (
        "with open('/content/drive/MyDrive/out/a.txt', 'w') as out:\n    out.write('hello')\n"
        "assert open('/content/drive/MyDrive/out/a.txt').read() == 'hello'\n"
        "os.makedirs('/content/runs/one', exist_ok=True)\nassert os.path.isdir('/content/runs')\n"
        "os.rename('/content/drive/MyDrive/out/a.txt', '/content/runs/b.txt')\n"
        "assert open('/content/runs/b.txt').read() == 'hello'",
        None,
    ),
    "pathlib": (
        "from pathlib import Path\nfolder = Path('/content/drive/MyDrive/x/y')\n"
        "folder.mkdir(parents=True, exist_ok=True)\n(folder / 'z.txt').write_text('1')\n"
        "assert (folder / 'z.txt').read_text() == '1' and list(folder.glob('*.txt'))",
        None,
    ),
    "files of libraries": (
        "import matplotlib.pyplot as plt, numpy as np, pandas as pd\n"
        "plt.plot([1, 2]); plt.savefig('/content/figure.png')\n"
        "pd.DataFrame({'a': [1]}).to_csv('/content/drive/MyDrive/a.csv')\n"
        "assert len(pd.read_csv('/content/drive/MyDrive/a.csv')) == 1\n"
        "np.save('/content/a.npy', np.ones(2)); assert np.load('/content/a.npy').sum() == 2\n"
        "np.savetxt('/content/a.txt', np.ones(2)); assert np.loadtxt('/content/a.txt').sum() == 2",
        None,
    ),
    "import data": (
        "import sys\nsys.path.append('/content/drive/MyDrive/Week14/Week14/')\nimport data\n"
        "assert len(data.Corpus('/a/path/of/their/own').dictionary) > 100\n"
        "assert len(data.Corporus('./data/wikitext-2').train) > 1000",
        None,
    ),
    "from data import": ("from data import Corpus, Dictionary\nassert len(Corpus('x').test)", None),
    "input()": (
        "assert input('Your name? ') == ''",
        "input('Your name? ') was answered with an empty line",
    ),
    "getpass": (
        "import getpass\nassert getpass.getpass('Key? ') == ''",
        "input('Key? ') was answered with an empty line",
    ),
    "progress bars": (
        "from tqdm.notebook import tqdm, trange\nassert list(tqdm([1, 2])) == [1, 2]\n"
        "assert list(trange(2, desc='x')) == [0, 1]\nfrom tqdm.auto import tqdm as auto\n"
        "with auto(total=3) as bar:\n    bar.update(1); bar.set_postfix(loss=1)\n"
        "from tqdm import tqdm_notebook\nassert list(tqdm_notebook(range(2))) == [0, 1]",
        None,
    ),
    "devices": (
        "import copy, io, torch, torch.nn as nn\n"
        "for name in ('cuda', 'mps', 'cuda:0', 'cpu'):\n"
        "    device = torch.device(name)\n"
        "    assert device.type == 'cpu' and isinstance(device, torch.device), name\n"
        "assert torch.device(0).type == torch.device('cuda', 0).type == 'cpu'\n"
        "assert torch.device(type='cuda', index=0) == torch.device(torch.device('cuda'))\n"
        "assert torch.device('meta').type == 'meta'\n"
        "def annotated(on: torch.device | None) -> torch.device: return on",
        NO_CUDA,
    ),
    "what is available": (
        "assert not torch.cuda.is_available() and torch.cuda.device_count() == 0\n"
        "assert not torch.backends.mps.is_available()",
        None,
    ),
    "moving tensors": (
        "x = torch.ones(2)\n"
        "moved = [x.to('cuda'), x.to(device='cuda:0'), x.to(torch.device('mps')), x.cuda(),\n"
        "         x.cuda(0, non_blocking=True), x.to('cuda', torch.float64), x.to(0),\n"
        "         x.to(dtype=torch.int, device='cuda'), x.new_zeros(2, device='cuda'),\n"
        "         x.to(torch.ones(1)), x.type(torch.cuda.FloatTensor)]\n"
        "assert all(m.device.type == 'cpu' for m in moved)\n"
        "assert x.to('cuda', torch.float64).dtype is torch.float64",
        "the device 'cuda:0' is not here: the CPU was used",
    ),
    "making tensors": (
        "made = [torch.zeros(3, device='cuda:0'), torch.randn(2, 2, device='mps'),\n"
        "        torch.tensor([1.0], device='cuda'), torch.arange(3, device=torch.device('mps')),\n"
        "        torch.full((2,), 1.0, device='cuda'), torch.randint(3, (2,), device='cuda'),\n"
        "        torch.zeros_like(x, device='cuda'), torch.ones(2, device=0),\n"
        "        torch.cuda.FloatTensor([1.0])]\n"
        "assert all(m.device.type == 'cpu' for m in made)",
        "the device '0' is not here: the CPU was used",
    ),
    "making layers": (
        "nn.Linear(2, 2, device='cuda'); nn.Embedding(3, 2, device='cuda').cuda()\n"
        "nn.MultiheadAttention(4, 2, device='cuda'); nn.Linear(2, 2).to('cuda').to(device=device)\n"
        "nn.DataParallel(nn.Linear(2, 2))(torch.ones(1, 2))\n"
        "nn.Transformer.generate_square_subsequent_mask(3, device='cuda')",
        None,
    ),
    "generators": (
        "g = torch.Generator(device='cuda').manual_seed(1)\nassert isinstance(g, torch.Generator)\n"
        "torch.rand(2, generator=g, device='cuda'); g.set_state(g.get_state())\n"
        "torch.cuda.manual_seed(1); torch.cuda.manual_seed_all(1); torch.mps.manual_seed(1)",
        None,
    ),
    "copies and files that hold a device": (
        "held = {'device': device, 'layer': nn.Linear(2, 2)}\n"
        "assert copy.deepcopy(held)['device'] == device == copy.copy(device)\n"
        "torch.save(held, '/content/drive/MyDrive/held.pt')\n"
        "back = torch.load('/content/drive/MyDrive/held.pt', weights_only=False)\n"
        "assert back['device'] == device\n"
        "torch.save(held['layer'], 'whole.pt')\n"
        "assert isinstance(torch.load('whole.pt'), nn.Linear)\n"
        "torch.save(held['layer'].state_dict(), 'weights.pt')\n"
        "held['layer'].load_state_dict(torch.load('weights.pt', map_location='cuda'))\n"
        "held['layer'].load_state_dict(torch.load('weights.pt', torch.device('mps')))",
        None,
    ),
    "a default device": (
        "torch.set_default_device('cuda')\nassert torch.zeros(2).device.type == 'cpu'\n"
        "torch.set_default_device('cpu')\ntorch.set_default_tensor_type('torch.cuda.FloatTensor')",
        None,
    ),
    "with a device": (
        "with torch.device('cuda'):\n    assert torch.zeros(2).device.type == 'cpu'\n"
        "with torch.cuda.device(0):\n    pass",
        None,
    ),
    "mixed precision": (
        "net = nn.Linear(2, 2)\noptimizer = torch.optim.SGD(net.parameters(), lr=0.1)\n"
        "scaler = torch.cuda.amp.GradScaler()\n"
        "with torch.autocast('cuda'), torch.autocast(device_type='cuda', dtype=torch.float16):\n"
        "    loss = net(torch.ones(2)).sum()\n"
        "scaler.scale(loss).backward(); scaler.step(optimizer); scaler.update()\n"
        "torch.amp.GradScaler('cuda')",
        None,
    ),
    "compiling": (
        "assert torch.compile(nn.Linear(2, 2))(torch.ones(2)).shape == (2,)\n"
        "@torch.compile\ndef more(x): return x + 1\n"
        "@torch.compile(mode='reduce-overhead')\ndef less(x): return x - 1\n"
        "assert more(1) == 2 and less(1) == 0 and torch.compile(more) is more\n"
        "nn.Linear(2, 2).compile()",
        None,
    ),
    "a transformer": (
        "encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2).to('cuda')\n"
        "mask = nn.Transformer.generate_square_subsequent_mask(3).to('cuda')\n"
        "encoder(torch.ones(3, 1, 8), mask=mask).sum().backward()\nencoder.eval()\n"
        "with torch.no_grad():\n    assert encoder(torch.ones(3, 1, 8)).shape == (3, 1, 8)",
        None,
    ),
    "the card": (
        "torch.cuda.empty_cache(); torch.cuda.synchronize(); torch.cuda.set_device(0)\n"
        "torch.cuda.get_device_name(0); torch.cuda.current_device()\n"
        "start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event()\n"
        "start.record(); end.record(); end.synchronize(); assert start.elapsed_time(end) == 0\n"
        "torch.cuda.memory_allocated()\ntorch.backends.cudnn.deterministic = True",
        None,
    ),
    "workers": (
        "from torch.utils.data import DataLoader, TensorDataset\n"
        "loader = DataLoader(TensorDataset(torch.arange(8.0)), 2, num_workers=2, pin_memory=True)\n"
        "assert sum(len(batch) for batch, in loader) == 8\n"
        "from multiprocessing import Pool\ndef square(x): return x * x\n"
        "with Pool(2) as pool:\n    assert pool.map(square, [1, 2]) == [1, 4]",
        None,
    ),
}


@pytest.fixture(scope="module")
def ran(observe, data):
    cells = [cell for cell, _ in HABITS.values()]
    return [observe(cells, data=data)[0] for _ in range(2)]


@pytest.mark.parametrize("name", HABITS)
def test_a_habit_works_and_is_noted(ran, name):
    number = list(HABITS).index(name) + 1
    noted = HABITS[name][1]

    assert failures(ran[0]).get(number) is None
    if noted is not None:
        assert noted in ran[0].adapted


def test_notes_are_the_same_in_every_run(ran):
    assert ran[0] == ran[1]


def test_a_module_of_the_student_comes_before_ours(observe, data):
    own = "%%writefile data.py\nclass Corpus:\n    mine = True"

    execution, _ = observe([own, "import data\nassert data.Corpus.mine"], data=data)

    assert failures(execution) == {}


SET_UP = """import torch, torch.nn as nn
model = nn.Linear(2, 1)
steps = 0
def loss():
    return model(torch.ones(4, 2)).pow(2).mean()"""
OPTIMIZER = """optimizer = torch.optim.Adam(model.parameters())
while True:
    optimizer.zero_grad()
    loss().backward()
    optimizer.step()
    steps += 1"""
BY_HAND = """while True:
    model.zero_grad()
    loss().backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= 0.01 * p.grad
    steps += 1"""
CAUGHT = """try:
    while True:
        loss().backward()
        steps += 1
except KeyboardInterrupt:
    print('Exiting from training early')"""
NOTED = "training was ended after 40 steps; the later cells were run"
ENDED = "KeyboardInterrupt: training ended after 40 steps"


@pytest.fixture(scope="module")
def trained(observe):
    cells = [SET_UP, OPTIMIZER, BY_HAND, CAUGHT, "def taken(x):\n    return steps"]
    return observe(cells, asking("taken", case(1)), training_steps=40)


def test_endless_training_is_ended_and_the_later_cells_run(trained):
    execution, observed = trained

    assert execution.outcome is Outcome.RAISED
    assert failures(execution) == {2: ENDED, 3: ENDED}
    assert NOTED in execution.adapted
    assert [o.value for o in seen(observed["taken"])] == [120]


def test_training_within_its_steps_is_left_alone(observe):
    cells = [SET_UP, "for _ in range(40):\n    loss().backward()"]

    execution, _ = observe(cells, training_steps=40)

    assert execution.outcome is Outcome.PASSED
    assert execution.adapted == ()


STILL_THERE = """import torch
from torch.utils.data import DataLoader, TensorDataset
set_of = TensorDataset(torch.arange(8.0))
loader = DataLoader(set_of, 2, num_workers=2, persistent_workers=True)
assert sum(len(batch) for batch, in loader) == 8"""


def test_a_notebook_whose_loader_still_has_its_workers_is_asked(observe):
    cells = [STILL_THERE, "def loaded(x):\n    return sum(len(b) for b, in loader) + x"]

    execution, observed = observe(cells, asking("loaded", case(1), case(2)))

    assert failures(execution) == {}
    assert [o.value for o in seen(observed["loaded"])] == [9, 10]


# packages that are not here -------------------------------------------------------------

IMPORTS = """import no_such_package, json
from no_other_package.part import something as other
import seaborn as sns, numpy as np
from plotly.subplots import make_subplots
from torch.utils.tensorboard import SummaryWriter"""
SHOWN = """sns.set_theme(style='dark')
axes = sns.heatmap(np.eye(2), annot=True)
axes.set(title='x')
for trace in make_subplots(rows=1).data:
    pass
with SummaryWriter('runs') as writer:
    writer.add_scalar('loss', 1.0, 0)
with sns.axes_style('white') as style:
    style['x'] = 1"""


def test_a_package_that_is_not_here_costs_its_own_import_only(observe):
    cells = [IMPORTS, SHOWN, "import json.nothing", "def four():\n    return np.eye(2).sum() * 2"]

    execution, observed = observe(cells, asking("four", case()))

    assert execution.missing == ("no_such_package", "no_other_package")
    assert failures(execution) == {3: "ModuleNotFoundError: No module named 'json.nothing'"}
    assert [o.value for o in seen(observed["four"])] == [4.0]
    assert "the package 'seaborn' is not here: what it would have shown was left out" in (
        execution.adapted
    )


def test_a_student_who_is_ready_for_a_missing_package_is_left_alone(observe):
    cells = ["try:\n    import no_such_package\nexcept ImportError:\n    ready = 1\nassert ready"]

    execution, _ = observe(cells)

    assert (execution.outcome, execution.missing) == (Outcome.PASSED, ())


# what is printed ------------------------------------------------------------------------

PRINTS = """import sys, time
for i in range(3):
    print(f'{i}/3', end='\\r', file=sys.stderr)
print('last', file=sys.stderr)
print('epoch 1 loss 5.5')"""


def test_what_a_notebook_printed_is_kept_as_a_terminal_shows_it_in_the_end(observe):
    cells = [PRINTS, "1 / 0", "print('then'); 1 / 0", "while True: print('x' * 99)"]

    execution, _ = observe(cells, keeps_printed=True, cell_seconds=1, output_bytes=10**9)

    assert execution.printed == (Printed(1, "epoch 1 loss 5.5\n\nlast\n"), Printed(3, "then\n"))


def test_a_long_line_is_kept_in_time_that_grows_with_its_length(observe):
    began = time.process_time()

    execution, _ = observe(["print('x' * 100_000)"], keeps_printed=True)

    assert len(execution.printed[0].text) == 100_001
    assert time.process_time() - began < 3  # it was a minute


def test_nothing_printed_is_kept_of_a_notebook_that_does_not_train(observe):
    assert observe([PRINTS])[0].printed == ()
