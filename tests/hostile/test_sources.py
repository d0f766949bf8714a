"""The rule's text: what defines a function, read from the notebook without running it."""

from autograder.grading.sources import defined_names, definition

CELLS = [
    "import torch.nn.functional as F\n%matplotlib inline\nconv = F.conv2d\nmodel = make()",
    "def helper(x):\n    return conv(x)",
    "this is no Python",
    "def task(x):\n    return F.conv2d(x)",
    "def task(model):\n    def inner():\n        return helper(model)\n    return inner()",
    "def other(x):\n    return F.conv3d(x)",
]


def test_the_last_definition_with_its_helpers_and_aliases():
    text = definition(CELLS, "task")
    assert "import torch.nn.functional as F" in text
    assert "def helper" in text
    assert "conv = F.conv2d" in text
    assert "return F.conv2d(x)" not in text, "the first task is overwritten"
    assert "conv3d" not in text, "nothing calls it"


def test_an_argument_is_no_variable_of_the_notebook():
    assert "make()" not in definition(CELLS, "task")


def test_defined_names():
    assert defined_names("x = 1\ndef f(): pass\nclass C:\n    def method(self): pass") == {"f", "C"}
    assert defined_names("def (") == set()
