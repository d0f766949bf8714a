"""More hostile submissions, by someone who has read all of this repository."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import nbformat

from tests.exercises.course import submission

from .corpus import (
    ALL,
    CANARY,
    LAST,
    NOTEBOOK,
    RIGHT,
    SET,
    SURVIVOR,
    WRONG,
    cell,
    changed,
    code,
    function,
    save,
    written,
)

#: Every function of the set, as other names for one.
EVERYTHING = """
conv_transpose2d = conv_transpose2d_single = convolution_matrix = bilinear_kernel = anything
conv_transpose2d_by_matrix = transposed_output_size = conv_transpose2d_fast = anything
"""
NOTHING = {**WRONG, **dict.fromkeys(WRONG, "")}

# --- What it answers ----------------------------------------------------------------------------------------

code(
    "answers with shapes and no numbers",
    0,
    """def nothing_but(*shape):
    return torch.empty(shape, device="meta")
def size(n, kernel, stride=1, padding=0):
    return (n - 1) * stride + kernel - 2 * padding
def conv_transpose2d(x, weight, bias=None, stride=1, padding=0):
    sizes = [size(n, k, stride, padding) for n, k in zip(x.shape[2:], weight.shape[2:])]
    return nothing_but(len(x), weight.shape[1], *sizes)
def conv_transpose2d_single(x, weight, stride=1, padding=0):
    return nothing_but(*(size(n, k, stride, padding) for n, k in zip(x.shape, weight.shape)))
def bilinear_kernel(factor):
    return nothing_but(*[2 * factor - factor % 2] * 2)
conv_transpose2d_fast, conv_transpose2d_by_matrix = conv_transpose2d, conv_transpose2d_single
""",
    base=NOTHING,
    cell=LAST,
)
code(
    "answers with a tensor of every kind",
    0,
    """import fractions, itertools
kinds = itertools.cycle([
    10**4000, -(2**63), 1j, float("nan"), fractions.Fraction(1, 3), torch.ones(2, dtype=torch.complex64),
    torch.ones(2).to_sparse(), torch.ones(2, 2).to_sparse_csr(), torch.ones(2, device="meta"),
    torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8), torch.tensor(1.0), [torch.ones(1)] * 3,
    torch.nested.nested_tensor([torch.ones(1), torch.ones(2)]), torch.ones(1).bool(), torch.empty(0, 2**40),
    torch.nn.Parameter(torch.ones(2)), {1: {2: 3}}, type, iter([]), b"bytes", torch.ones(2).to(torch.uint16),
    torch.nn.Linear(1, 1), torch.float32, Ellipsis, "\\ud800", "x" * 10**6, {"tensor": ["float32", [1], 0]},
])
def anything(*arguments, **settings):
    return next(kinds)
"""
    + EVERYTHING,
    base=NOTHING,
    cell=LAST,
    slow=True,
)
code(
    "lies about its class",
    0,
    """class Liar:
    __class__ = property(lambda self: torch.Tensor)
    def detach(self):
        raise SystemExit
class Broken(dict):
    def items(self):
        raise RuntimeError("no items")
calls = [0]
def anything(*arguments, **settings):
    calls[0] += 1
    return Liar() if calls[0] % 2 else Broken(a=1)
"""
    + EVERYTHING,
    base=NOTHING,
    cell=LAST,
    says="raised an error",
    slow=True,
)
code(
    "answers with one buffer a thousand times",
    0,
    """import sys, json
wire = sys.modules["inside.wire"]
many = json.dumps(["data", [{"tensor": ["uint8", [60 << 20], 0]}] * 1000]).encode()
wire.pack = lambda value: [many, bytes(60 << 20)]
""",
    says="its answer is no data",
)
function(
    "closes the line on which it is asked",
    "get_ipython().kernel.requests.close()\nreturn torch.zeros(1)",
    says="ended the notebook",
    beside=True,
)
code(
    "answers before it is asked",
    0,
    "get_ipython().kernel.requests.sendall(b'x' * 10_000)\n",
    base=RIGHT,
    says="ended the notebook",
)
code(
    "answers with ten million empty lists",
    0,
    """import sys
wire = sys.modules["inside.wire"]
wire.pack = lambda value: [b"[" + b"[]," * 15_000_000 + b"[]]"]
""",
    says="its answer is no data",
    slow=True,
)
code(
    "answers by the number of the call",
    0,
    """import collections
asked = collections.Counter()
seen = []
def anything(*arguments, **settings):
    # The same argument twice is a check that is repeated: answer what came back the first time.
    seen.append(arguments)
    asked[len(seen)] += 1
    first = next((one for one in arguments if isinstance(one, torch.Tensor)), torch.zeros(()))
    return [first, first.sum(), first * 0, first.T if first.ndim == 2 else first][len(seen) % 4]
"""
    + EVERYTHING,
    base=NOTHING,
    cell=LAST,
    slow=True,
)
code(
    "changes its functions from a thread",
    0,
    """import threading, time
def flicker():
    lies = [lambda *a, **k: torch.zeros(1), lambda *a, **k: 0, None, "text", torch.Tensor]
    while True:
        for name in [name for name in list(globals()) if name.startswith(("conv", "bilinear", "transposed"))]:
            globals()[name] = lies[int(time.monotonic() * 1000) % len(lies)]
        time.sleep(0.0005)
threading.Thread(target=flicker, daemon=True).start()
""",
    slow=True,
)
code(
    "speaks with a voice that is not its own",
    ALL,
    """kernel = get_ipython().kernel
def say(kind, content):
    kernel.send_response(kernel.iopub_socket, kind, content)
say("stream", {})
say("error", {"evalue": "no traceback"})
say("display_data", {"data": None, "transient": {"display_id": ["unhashable"]}})
say("execute_input", {"execution_count": "x" * 10**6})
say("execute_result", {"data": {}, "metadata": {}, "execution_count": {"a": 1}})
say("clear_output", {})
say("comm_open", {"comm_id": "1"})
say("comm_msg", {"comm_id": "1", "data": {"state": {"_model_name": "x" * 10**6}}})
say("no such thing", {"data": 1})
""",
    RIGHT,
    beside=True,
)

# --- What it uses -------------------------------------------------------------------------------------------

code(
    "shows one output two thousand times",
    ALL,
    """from IPython.display import display, update_display
for _ in range(2000):
    display("small", display_id="same")
update_display("x" * 10**6, display_id="same")
""",
    RIGHT,
)
code(
    "fails at length",
    ALL,
    """kernel = get_ipython().kernel
for _ in range(300):
    text = "x" * (1 << 20)
    kernel.send_response(kernel.iopub_socket, "error", dict(ename="E", evalue=text, traceback=[text]))
""",
    RIGHT,
    slow=True,
)
code(
    "writes 200 MB of errors",
    ALL,
    "import sys\nfor _ in range(200):\n    sys.stderr.write('x' * 2**20)",
    RIGHT,
    slow=True,
)
code(
    "hoards memory that it shares",
    0,
    """import mmap, time
hoard = [mmap.mmap(-1, 512 << 20) for _ in range(6)]
for one in hoard:
    for page in range(0, len(one), 4096):
        one[page] = 1
time.sleep(2)
""",
    RIGHT,
    says="MB of memory",
    slow=True,
)
code(
    "spins with six processes",
    ALL,
    "import os\nfor _ in range(6):\n    if os.fork() == 0:\n        while True:\n            pass",
    RIGHT,
    slow=True,
)
code(
    "leaves orphans of orphans",
    ALL,
    f"""import os, subprocess, time
for _ in range(25):
    if os.fork() == 0:
        os.setsid()
        os.setpgid(0, 0) if os.getpid() != os.getsid(0) else None
        for descriptor in range(3, 256):
            try:
                os.close(descriptor)
            except OSError:
                pass
        try:
            subprocess.Popen(["sh", "-c", "trap '' TERM INT HUP; sleep {SURVIVOR} & sleep {SURVIVOR}"])
        finally:
            os._exit(0)
time.sleep(0.5)
""",
    RIGHT,
    beside=True,
    slow=True,
)
code(
    "signals its whole group, late",
    ALL,
    "import os, signal, time\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\ntime.sleep(0.2)\nos.killpg(0, 9)",
    RIGHT,
    cell=LAST,
    slow=True,
    without_namespaces=(ALL - 2, "nothing ran any more"),
)

# --- What the system would let it do ------------------------------------------------------------------------

code(
    "tries what the kernel offers",
    ALL,
    """import ctypes, os, platform
libc = ctypes.CDLL(None, use_errno=True)
calls = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "bpf": (321, 280), "keyctl": (250, 219),
    "add_key": (248, 217), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "memfd_create": (319, 279),
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "perf_event_open": (298, 241),
    "open_by_handle_at": (304, 265), "pidfd_getfd": (438, 438), "kexec_load": (246, 104), "chroot": (161, 51),
    "clone3": (435, 435), "shmget": (29, 194), "personality": (135, 92), "name_to_handle_at": (303, 264),
}
column = 0 if platform.machine() == "x86_64" else 1
allowed = [name for name, numbers in calls.items() if libc.syscall(numbers[column], 0, 0, 0, 0, 0) >= 0]
clone, new_user = (56, 220)[column], 0x10000000
if libc.syscall(clone, new_user | 17, 0, 0, 0, 0) >= 0:
    allowed.append("a user namespace")
for family in (2, 10, 16, 17, 40):  # IPv4, IPv6, netlink, packets, virtual machines
    if libc.socket(family, 1 if family in (2, 10) else 3, 0) >= 0:
        allowed.append(f"family {family}")
own = ["/proc/1/mem"] if os.getpid() == 1 else []
for place in ("/dev/kmsg", "/dev/mem", "/dev/vda", "/proc/1/mem", "/proc/kcore", "/proc/sysrq-trigger",
              "/sys/kernel/debug", "/proc/sys/kernel/core_pattern", "/var/run/docker.sock", "/etc/shadow"):
    try:
        os.close(os.open(place, os.O_RDWR))
        allowed += [place] if place not in own else []
    except OSError:
        pass
print("allowed:", allowed)
""",
    RIGHT,
    says="allowed: []",
    beside=True,
)
code(
    "looks through the descriptors that it inherits",
    ALL,
    """import os
found = []
for name in os.listdir("/proc/self/fd"):
    try:
        place = os.readlink(f"/proc/self/fd/{name}")
    except OSError:
        continue
    if place.startswith("/") and not place.startswith(("/dev/", "/proc/", os.getcwd())):
        found.append(place)
print("inherited:", found)
""",
    RIGHT,
    says="inherited: []",
    beside=True,
    slow=True,
)
code(
    "changes the modes and times of what is not its own",
    ALL,
    f"""import os
for place in ("{{course}}/gradebook.db", "{{course}}", "{{course}}/autograder/hidden.py", "/", ".."):
    for change in (lambda: os.chmod(place, 0), lambda: os.utime(place, (0, 0)), lambda: os.chown(place, 1, 1),
                   lambda: os.truncate(place, 0), lambda: os.rename(place, place + "-{CANARY}"),
                   lambda: os.setxattr(place, "user.{CANARY}", b"x"), lambda: os.link(place, "link"),
                   lambda: os.close(os.open(place, os.O_RDONLY | os.O_TRUNC))):
        try:
            change()
        except OSError:
            pass
""",
    RIGHT,
    beside=True,
    slow=True,
)
code(
    "reaches for its neighbours",
    0,
    """import glob, os, signal, socket
for process in range(1, 65536):
    if not os.path.exists(f"/proc/{process}"):
        continue
    if process in (os.getpid(), 1):
        continue
    for file in ("environ", "mem", "cmdline", "maps"):
        try:
            print(open(f"/proc/{process}/{file}", "rb").read(5000))
        except OSError:
            pass
    for way in (lambda: os.kill(process, signal.SIGKILL), lambda: os.sched_setaffinity(process, {0}),
                lambda: __import__("resource").prlimit(process, 0, (0, 0))):
        try:
            way()
        except OSError:
            pass
for path in glob.glob("/tmp/*/s-*") + ["/run/dbus/system_bus_socket", "/var/run/docker.sock"]:
    try:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect(path)
            print("connected to", path)
    except OSError:
        pass
try:
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    pair[0].sendto(b"x", "/run/systemd/journal/socket")
    print("connected to the journal")
except OSError:
    pass
""",
    beside=True,
)

# --- What it hands in ---------------------------------------------------------------------------------------


@written("has a hundred thousand cells", None, says="more than 2000 cells")
def _(folder: Path, values: dict[str, str]) -> None:
    one = {"cell_type": "code", "source": "1", "metadata": {}, "outputs": [], "execution_count": None}
    text = {"cells": [one] * 100_000, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (folder / NOTEBOOK).write_text(json.dumps(text))


@written("is a bomb of brackets", None, says="parts")
def _(folder: Path, values: dict[str, str]) -> None:
    text = (
        '{"cells": [], "metadata": {"x": [' + "{}," * 4_000_000 + '{}]}, "nbformat": 4, "nbformat_minor": 5}'
    )
    (folder / NOTEBOOK).write_text(text)


@changed("has metadata without end", ALL, slow=True)
def _(notebook):
    deep: dict = {}
    for _ in range(300):
        deep = {"x": deep}
    notebook.metadata["x"] = deep
    for one in notebook.cells:
        one.metadata["x"] = "y" * 50_000
        one.metadata["tags"] = ["raises-exception", "skip-execution"]


@written("holds half a character", ALL, slow=True)
def _(folder: Path, values: dict[str, str]) -> None:
    notebook = submission(RIGHT, SET)
    cell(notebook, LAST).source += "\n# @@"
    text = nbformat.writes(notebook).replace("@@", "\\ud800")
    (folder / NOTEBOOK).write_text(text)


@changed("says that it is another assignment", ALL, slow=True)
def _(notebook):
    notebook.metadata["nbgrader"] = {"assignment": "ps1_convolution", "student": "a-neighbour"}
    notebook.metadata["celltoolbar"] = "<script>"
    for one in notebook.cells:
        if "nbgrader" in one.metadata:
            one.metadata.nbgrader |= {
                "assignment": "ps1_convolution",
                "checksum": "0" * 32,
                "schema_version": 99,
            }


@written("hands in files with strange names", ALL, says="", slow=True)
def _(folder: Path, values: dict[str, str]) -> None:
    save(folder, submission(RIGHT, SET))
    for name in ("two\nlines", "\x1b[2J", "\u202etxt.exe", "-rf", "'; touch x; '", " ", "CON", "a" * 255):
        (folder / name).write_text("x")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe")).write_text("x")
    (folder / "twice").hardlink_to(folder / "-rf")
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "other.ipynb")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "torch.cpython-311.pyc").write_bytes(b"x")


@written("brings what Python and Jupyter load by themselves", 0, slow=True)
def _(folder: Path, values: dict[str, str]) -> None:
    save(folder, submission(WRONG, SET))
    canary = f"open({values['course'] + '/' + CANARY!r}, 'w').write('x')\n"
    lie = "import pixelwise.checks.observe as module\nmodule.observe_all = lambda *a: []\n"
    for name in (
        *("sitecustomize.py", "usercustomize.py", "conftest.py", "nbgrader_config.py", "jupyter_config.py"),
        *(
            "ipython_config.py",
            ".ipython/profile_default/startup/00.py",
            "inside/wire.py",
            "inside/__init__.py",
        ),
        *("inside/confine.py", "pixelwise/__init__.py", "encodings/__init__.py", "codecs.py", "_ctypes.py"),
        *("json.py", "zmq.py", "numpy/__init__.py", "typing.py", "asyncio/__init__.py"),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(canary + lie)
    (folder / "all.pth").write_text(f"import os; {canary}")
    (folder / "kernel.json").write_text('{"argv": ["touch", "/tmp/canary"], "display_name": "x"}')


@written("buries its files deep", None, says="folders within folders")
def _(folder: Path, values: dict[str, str]) -> None:
    save(folder, submission(RIGHT, SET))
    here = os.getcwd()  # noqa: PTH109
    os.chdir(folder)
    for _ in range(60):
        os.mkdir("d")  # noqa: PTH102
        os.chdir("d")
    os.chdir(here)


@changed("looks like the right name", ALL - 2, says="`bilinear_kernel` is not defined", slow=True)
def _(notebook):
    one = cell(notebook, LAST)
    one.source = one.source.replace("bilinear_kernel", "bilinear_k\u0435rnel")


@changed("answers after it was asked", 0, WRONG, slow=True)
def _(notebook):
    for identifier, source in RIGHT.items():
        if "def " in source:
            late = copy.deepcopy(cell(notebook, identifier))
            late.id, late.source, late.metadata = f"late-{identifier}", source, {}
            notebook.cells.append(late)


function(
    "says what would work on a terminal or a page",
    'print("\\x1b]0;owned\\x07\\x1b[2J\\u202e<script>alert(1)</script>")\n'
    'raise ValueError("\\x1b]0;owned\\x07\\x1b[2J\\u202e<img src=x onerror=alert(1)>")',
    says="raised an error",
    slow=True,
)
