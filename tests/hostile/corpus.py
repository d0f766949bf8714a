"""Hostile and broken submissions to problem set 2, and what each may earn.

An attack on a wrong solution must earn nothing. A right solution that only behaves badly keeps what its
functions earn. `{course}` and `{port}` in code stand for the course's folder and a port on this machine.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat

from tests.exercises.course import answers, submission
from tests.exercises.test_round_trip import saved_by_colab

SET = "ps2_transposed_convolution"
NOTEBOOK = "transposed_convolution.ipynb"
ALL = 25.0  # automatic points
LAST = "bilinear-kernel"  # the last function, 2 points: what goes wrong in it costs nothing before it

RIGHT = answers(SET)
WRONG = {
    cell: re.sub(r'""".*', 'return "wrong"', source, flags=re.DOTALL) if "def " in source else source
    for cell, source in RIGHT.items()
}
SURVIVOR = "48151623"  # seconds that a surviving process would sleep
CANARY = "canary"  # a file that an escape would write


@dataclass(frozen=True)
class Case:
    """One submission.

    points  what it earns; None: it cannot be graded, and `says` why
    says    what the report or a cell says
    write   puts it into the student's folder
    slow    whether it belongs to `make hostile` alone: it takes long, or is much like another one
    beside  whether `make test` tries it without namespaces, too
    without_namespaces  points and words where they differ there
    """

    name: str
    points: float | None
    write: Callable[[Path, dict[str, str]], None]
    says: str = ""
    slow: bool = False
    beside: bool = False
    without_namespaces: tuple[float, str] | None = None


CASES: list[Case] = []


def code(
    name: str,
    points: float,
    text: str,
    base: dict[str, str] = WRONG,
    cell: str = "transposed-output-size",
    **rest: object,
) -> None:
    """A submission whose first function (or another cell) is preceded by `text`."""

    def write(folder: Path, values: dict[str, str]) -> None:
        attack = text
        for key, value in values.items():
            attack = attack.replace("{" + key + "}", value)
        save(folder, submission({**base, cell: f"{attack}\n{base[cell]}"}, SET))

    CASES.append(Case(name, points, write, **rest))


def function(name: str, body: str, says: str = "", points: float = ALL - 2, **rest: object) -> None:
    """A right submission but for the body of its last function."""
    source = "def bilinear_kernel(factor):\n" + "\n".join(f"    {line}" for line in body.splitlines())
    CASES.append(
        Case(
            name,
            points,
            lambda folder, values: save(folder, submission({**RIGHT, LAST: source}, SET)),
            says,
            **rest,
        )
    )


def changed(name: str, points: float | None, base: dict[str, str] = RIGHT, **rest: object) -> Callable:
    """A submission whose notebook a function has changed."""

    def put(change: Callable[[nbformat.NotebookNode], nbformat.NotebookNode | None]) -> Callable:
        def write(folder: Path, values: dict[str, str]) -> None:
            notebook = submission(base, SET)
            save(folder, change(notebook) or notebook)

        CASES.append(Case(name, points, write, **rest))
        return change

    return put


def written(name: str, points: float | None, **rest: object) -> Callable:
    """A submission that a function writes itself."""

    def put(write: Callable[[Path, dict[str, str]], None]) -> Callable:
        CASES.append(Case(name, points, write, **rest))
        return write

    return put


def save(folder: Path, notebook: nbformat.NotebookNode, name: str = NOTEBOOK) -> None:
    (folder / name).write_text(nbformat.writes(notebook), encoding="utf-8")


def cell(notebook: nbformat.NotebookNode, identifier: str) -> nbformat.NotebookNode:
    return next(one for one in notebook.cells if one.id == identifier)


def graded(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    flags = [one.metadata.get("nbgrader", {}) for one in notebook.cells]
    return [
        one
        for one, flag in zip(notebook.cells, flags, strict=True)
        if flag.get("grade") and not flag["solution"]
    ]


# --- It does not end, or ends too early ---------------------------------------------------------------------

function("loops", "while True:\n    pass", "did not finish in time", slow=True)
function(
    "loops and ignores interrupts",
    "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
    "could not be interrupted",
)
code(
    "loops in a cell",
    ALL - 2,
    "while True:\n    pass",
    RIGHT,
    cell=LAST,
    says="CellTimeoutError",
    slow=True,
)
function("exits", "import sys\nsys.exit(0)", "SystemExit", slow=True)
function("exits at once", "import os\nos._exit(0)", "exit status 0")
code("exits at once in the first cell", 0, "import os\nos._exit(0)", RIGHT, says="nothing ran any more")
code(
    "kills its parent",
    ALL,
    "import os, signal\ntry:\n    os.kill(os.getppid() or 1, signal.SIGKILL)\n"
    "except OSError as error:\n    print(error)",
    RIGHT,
    beside=True,
)
code(
    "kills everybody",
    ALL,
    "import os, signal\ntry:\n    os.kill(-1, signal.SIGKILL)\nexcept OSError as error:\n    print(error)",
    RIGHT,
    slow=True,
)

# --- It takes more than its share ---------------------------------------------------------------------------

code(
    "leaves a daemon",
    ALL,
    f"""import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for descriptor in range(256):
            try:
                os.close(descriptor)
            except OSError:
                pass
        os.execvp("sleep", ["sleep", "{SURVIVOR}"])
    os._exit(0)
""",
    RIGHT,
)
code(
    "allocates 8 GB",
    ALL,
    "try:\n    torch.ones(2**30, dtype=torch.float64)\nexcept RuntimeError:\n    pass",
    RIGHT,
)
code(
    "fills the memory",
    0,
    "hoard = [torch.ones(2**25) for _ in range(30)]\nimport time; time.sleep(2)",
    RIGHT,
    says="MB of memory",
    slow=True,
)
code(
    "forks without end",
    0,
    "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
    RIGHT,
    says="nothing ran any more",
    slow=True,
)
code("prints 200 MB", ALL, "for _ in range(200):\n    print('x' * 2**20)", RIGHT, slow=True)
code("prints 1 GB at once", ALL, "print('x' * 2**30)", RIGHT, slow=True)
code(
    "fills the disk",
    ALL,
    "try:\n    for number in range(20):\n        open(f'fill{number}', 'wb').write(bytes(50 << 20))\n"
    "except OSError as error:\n    print(error)",
    RIGHT,
    slow=True,
    without_namespaces=(0, "MB of files"),
)
function("returns a tensor without end", "return torch.zeros(1).expand(10**6, 10**6)", "too large")
function("returns a list without end", "return [0] * 10**6", "too large", slow=True)
function("returns itself", "value = []\nvalue.append(value)\nreturn value", "too large")

# --- It wants to know, or to write, what is not its own -----------------------------------------------------

code(
    "reads whatever it finds",
    0,
    """import glob, os
places = ["{course}", "/home", "/tmp", "..", "../..", "../../..", "/proc/1/root", "/grader"]
for place in places:
    for pattern in ("**/*.ipynb", "**/gradebook.db", "**/hidden.py", "**/oracle.py"):
        for path in glob.glob(f"{place}/{pattern}", recursive=True)[:20]:
            print(path, open(path, "rb").read()[:20000])
print(dict(os.environ), open("/proc/1/environ").read())
""",
)
code(
    "writes into the gradebook",
    0,
    """import sqlite3
for path in ("{course}/gradebook.db", "../../../gradebook.db"):
    try:
        connection = sqlite3.connect(path, timeout=1)
        connection.execute("update grade set manual_score = 100")
        connection.commit()
    except Exception as error:
        print(error)
""",
)
code(
    "writes where the grader works",
    0,
    f"""import os
for place in ("{{course}}", "{{course}}/autograder", "{{course}}/submitted", "/tmp", "/var/tmp", "/dev/shm"):
    try:
        os.makedirs(place, exist_ok=True)
        open(place + "/{CANARY}", "w").write("x")
    except OSError as error:
        print(error)
""",
)
code(
    "calls home",
    ALL,
    """import socket
for family, address in ((socket.AF_INET, ("127.0.0.1", {port})), (socket.AF_INET6, ("::1", {port}))):
    try:
        with socket.socket(family) as wire:
            wire.settimeout(2)
            wire.connect(address)
            wire.send(b"hello")
    except OSError as error:
        print(error)
""",
    RIGHT,
)


@written("links to the gradebook", 0)
def _(folder: Path, values: dict[str, str]) -> None:
    source = "for name in ('data.bin', 'all'):\n    try:\n        print(open(name, 'rb').read())\n"
    source += "    except OSError as error:\n        print(error)\n"
    notebook = submission({**WRONG, LAST: source + WRONG[LAST]}, SET)
    save(folder, notebook)
    (folder / "data.bin").symlink_to(Path(values["course"], "gradebook.db"))
    (folder / "all").symlink_to(values["course"])


@written("is a link itself", None, says="is a link")
def _(folder: Path, values: dict[str, str]) -> None:
    (folder / NOTEBOOK).symlink_to(Path(values["course"], "solutions", SET, NOTEBOOK))


# --- It wants to be judged by other rules -------------------------------------------------------------------

code(
    "patches the comparisons",
    0,
    """import builtins, numpy
torch.allclose = torch.equal = lambda *a, **k: True
torch.testing.assert_close = numpy.allclose = lambda *a, **k: None
torch.Tensor.__eq__ = lambda *a: True
""",
)
code(
    "patches the checks",
    0,
    """import pixelwise.checks as checks
import pixelwise.checks.check, pixelwise.checks.compare, pixelwise.checks.report
checks.check.Check.__call__ = lambda self, function: print("passed")
checks.check.Check.failure = lambda *a: None
checks.compare.difference = lambda *a, **k: None
""",
)
for answer, lie in {
    "nothing": "[]",
    "no observations": "[None] * len(cases)",
    "more than was asked": "[Observation(value=None)] * 100",
    "an object": "Observation()",
    "a text": "'passed'",
}.items():
    code(
        f"answers the grader with {answer}",
        0,
        "import pixelwise.checks.observe as module\nfrom pixelwise.checks.observe import Observation\n"
        f"module.observe_all = module.observe = lambda function, cases, *rest: {lie}\n",
        slow=lie not in ("[]", "[Observation(value=None)] * 100"),
    )
code(
    "answers the grader with bytes of its own",
    0,
    """import sys
wire = sys.modules["inside.wire"]
wire.pack = lambda value: [b'{"record": ["os", "system", {"command": "touch /tmp/canary"}]}']
""",
)
code(
    "transforms what is run",
    0,
    "get_ipython().input_transformers_cleanup.append(lambda lines: ['pass\\n'])\n"
    "get_ipython().run_cell = lambda *a, **k: None",
)
code(
    "looks at the stack and the heap",
    0,
    """import gc, sys
def conv_transpose2d(*arguments, **settings):
    frame = sys._getframe()
    while frame:
        for value in frame.f_locals.values():
            if getattr(value, "__name__", "") in ("right", "expected", "conv_transpose2d_right"):
                return value(*arguments, **settings)
        frame = frame.f_back
    for value in gc.get_objects():
        if type(value).__name__ in ("Task", "Check") and hasattr(value, "right"):
            return value.right(*arguments, **settings)
    return "wrong"
conv_transpose2d_single = conv_transpose2d_by_matrix = conv_transpose2d
""",
    cell=LAST,
)
code(
    "returns what equals everything",
    0,
    """class Equal:
    shape, dtype, ndim, device, layout = (1,), torch.float32, 1, "cpu", torch.strided
    __eq__ = __le__ = __ge__ = lambda self, other: True
    __bool__ = lambda self: True
    __getattr__ = lambda self, name: Equal()
    __call__ = lambda self, *a, **k: Equal()
    __torch_function__ = classmethod(lambda cls, *a, **k: torch.tensor(True))
def anything(*arguments, **settings):
    return Equal()
conv_transpose2d = conv_transpose2d_single = convolution_matrix = bilinear_kernel = anything
conv_transpose2d_by_matrix = transposed_output_size = anything
""",
    base={**WRONG, **dict.fromkeys(WRONG, "")},
)
code(
    "returns a tensor of its own kind",
    0,
    """class Right(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return torch.tensor(False) if function is not torch.Tensor.shape.__get__ else torch.Size([1])
def anything(*arguments, **settings):
    return torch.zeros(1).as_subclass(Right)
conv_transpose2d = conv_transpose2d_single = convolution_matrix = bilinear_kernel = anything
conv_transpose2d_by_matrix = transposed_output_size = anything
""",
    base={**WRONG, **dict.fromkeys(WRONG, "")},
    slow=True,
)


@written("brings a matplotlib of its own", 0)
def _(folder: Path, values: dict[str, str]) -> None:
    save(folder, submission(WRONG, SET))
    for name in ("matplotlib", "torch", "pixelwise", "autograder"):
        (folder / f"{name}.py").write_text(f"open({values['course'] + '/' + CANARY!r}, 'w').write('x')")


# --- It is broken, or was edited ----------------------------------------------------------------------------


@changed("deletes the graded cells", 0, WRONG, says="missing, restored")
def _(notebook):
    for one in graded(notebook):
        notebook.cells.remove(one)


@changed("edits the graded cells", 0, WRONG, says="edited, restored")
def _(notebook):
    for one in graded(notebook):
        one.source = "pass"


@changed("repeats the graded cells with nothing in them", 0, WRONG, says="a copy was left out")
def _(notebook):
    for one in graded(notebook):
        twin = copy.deepcopy(one)
        twin.id, twin.source = f"{one.id}-2", "pass"
        notebook.cells.insert(0, twin)


@changed("gives itself points", 0, WRONG)
def _(notebook):
    for one in graded(notebook):
        one.metadata.nbgrader.points = 1000
        one.metadata.nbgrader.grade = True
        one.metadata.nbgrader.solution = True
        one.cell_type = "markdown"
        one.pop("outputs"), one.pop("execution_count")


@changed("names cells anew", 0, WRONG, slow=True)
def _(notebook):
    for number, one in enumerate(graded(notebook)):
        one.metadata.nbgrader.grade_id = f"mine-{number}"
        one.id = f"mine-{number}"
        one.source = "1000"


@changed("brings graded cells of its own", 0, WRONG)
def _(notebook):
    mine = copy.deepcopy(graded(notebook)[0])
    mine.id = mine.metadata.nbgrader.grade_id = "mine"
    mine.source = f"open('{CANARY}', 'w').write('x')\n1000"
    notebook.cells.insert(3, mine)


@changed("deletes its last answer", ALL - 2, says="bilinear-kernel: missing, restored")
def _(notebook):
    notebook.cells.remove(cell(notebook, LAST))


@changed("stands upside down", ALL, says="back in order")
def _(notebook):
    notebook.cells.reverse()


@changed("repeats an answer", ALL, says="there are two")
def _(notebook):
    first = cell(notebook, LAST)
    second = copy.deepcopy(first)
    second.id, first.source = "again", "def bilinear_kernel(factor):\n    raise NotImplementedError()"
    notebook.cells.insert(notebook.cells.index(first) + 1, second)


@changed("has lost its metadata", ALL, slow=True)
def _(notebook):
    for one in notebook.cells:
        one.metadata = {}


@changed("has lost its metadata and ids", ALL)
def _(notebook):
    for number, one in enumerate(notebook.cells):
        one.metadata, one.id = {}, f"x{number}"


@changed("asks for another kernel", ALL, slow=True)
def _(notebook):
    notebook.metadata.kernelspec = {"name": "julia-9", "display_name": "Julia", "language": "julia"}


@changed("warns", ALL, slow=True)
def _(notebook):
    one = cell(notebook, "conv-transpose2d")
    one.source = one.source.replace(
        "    return", "    import warnings\n    warnings.warn('careful')\n    return"
    )


changed("comes from Colab", ALL, slow=True)(saved_by_colab)


@written("is in an old format", ALL, slow=True)
def _(folder: Path, values: dict[str, str]) -> None:
    old = nbformat.convert(submission(RIGHT, SET), 3)
    (folder / NOTEBOOK).write_text(json.dumps(old))


@written("is called otherwise", ALL, says="it is called 'transposed (1).ipynb'")
def _(folder: Path, values: dict[str, str]) -> None:
    save(folder, submission(RIGHT, SET), "transposed (1).ipynb")


@written("has 60 MB", ALL, slow=True)
def _(folder: Path, values: dict[str, str]) -> None:
    notebook = submission(RIGHT, SET)
    cell(notebook, LAST).outputs = [nbformat.v4.new_output("stream", text="y" * (60 << 20))]
    save(folder, notebook)


@written("is torn", None, says="no notebook")
def _(folder: Path, values: dict[str, str]) -> None:
    (folder / NOTEBOOK).write_text(nbformat.writes(submission(RIGHT, SET))[:-300])


@written("is nested too deeply", None, says="no notebook")
def _(folder: Path, values: dict[str, str]) -> None:
    (folder / NOTEBOOK).write_text("[" * 100_000)


@written("is missing", None, says="is missing")
def _(folder: Path, values: dict[str, str]) -> None:
    (folder / "readme.txt").write_text("hello")


@written("is another notebook", None, says="another notebook")
def _(folder: Path, values: dict[str, str]) -> None:
    save(folder, nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")]))
