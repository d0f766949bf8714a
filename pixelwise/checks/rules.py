"""What a task forbids: calls that would do the task for the student.

A rule is a deterrent. It finds a forbidden call in two ways, in the source and while the function runs, and
it can only take points away. Somebody who tries hard gets around both; the notebooks say so.
"""

from __future__ import annotations

import ast
import dis
import inspect
import re
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from .remote import Remote

_LIBRARIES = ("torch", "scipy", "numpy", "pixelwise", "cv2", "jax", "tensorflow", "skimage")


@dataclass(frozen=True)
class Rule:
    """Calls that a task forbids.

    calls      regular expression: names in a library (torch, NumPy, SciPy, …) that may not be used
    operators  regular expression: PyTorch's own names (`aten::convolution`) of what may not run
    modules    libraries of which nothing may be used
    reason     one sentence for the student
    methods    regular expression: names that may not be used as an attribute of anything (`loss.backward`)
    own        regular expression: names of the student's own functions that this task may not use
    """

    calls: str
    operators: str
    modules: tuple[str, ...] = ()
    reason: str = ""
    methods: str = ""
    own: str = ""

    def found_in(self, function: Callable[..., Any]) -> list[str]:
        """The forbidden names in the source of `function`, or class, and of what it calls."""
        if isinstance(function, Remote):
            return _found_in_text(self, function.source_text())
        found: list[str] = []
        for part in _with_helpers(function):
            if isinstance(part, type):  # its methods are parts of their own
                dotted = _dotted(part) or ""
                found += [dotted] if self._forbids(dotted) else []
                continue
            with_names = getattr(part, "__globals__", {})
            try:
                source = textwrap.dedent(inspect.getsource(part))
            except (OSError, TypeError):
                continue  # no source to read: what runs is still watched
            found += self.found_in_source(source, with_names)
        return list(dict.fromkeys(found))

    def found_in_source(self, source: str, names: Mapping[str, Any] | None = None) -> list[str]:
        """The forbidden names in `source`, as dotted names ("torch.nn.functional.conv2d").

        names  what the source's global names stand for; its own imports are read from the source
        """
        try:
            tree = ast.parse(source)
        except SyntaxError:
            return []
        known = {name: _dotted(value) for name, value in (names or {}).items()}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    known[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        parts = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)]
        found = [name for name in (_resolve(node, known) for node in parts) if name and self._forbids(name)]
        if self.methods:
            attributes = [node.attr for node in parts if isinstance(node, ast.Attribute)]
            found += [f".{name}" for name in attributes if re.fullmatch(self.methods, name)]
        if self.own:
            used = [node.id for node in parts if isinstance(node, ast.Name)]
            found += [name for name in used if re.fullmatch(self.own, name)]
        return list(dict.fromkeys(found))

    def _forbids(self, dotted: str) -> bool:
        library, _, rest = dotted.partition(".")
        if library in self.modules:
            return True
        return library in _LIBRARIES and re.search(self.calls, rest.rpartition(".")[2]) is not None


@lru_cache(maxsize=100)
def _found_in_text(rule: Rule, source: str) -> list[str]:
    return rule.found_in_source(source)


class Watch(TorchDispatchMode):
    """Notes every PyTorch operator that runs and whose name matches the pattern, backward passes included."""

    def __init__(self, pattern: str):
        super().__init__()
        self.pattern = re.compile(pattern)
        self.seen: list[str] = []
        self.known: set[Any] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Else every operator goes through torch.compile's machinery, which is slow and slow to import."""
        return False

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        if operator not in self.known:
            self.known.add(operator)
            name = operator._schema.name
            if self.pattern.search(name) and name not in self.seen:
                self.seen.append(name)
        return operator(*args, **(kwargs or {}))


def _with_helpers(function: Callable[..., Any]) -> Iterator[Any]:
    """`function` and all of the same notebook that it calls: functions, and classes with their methods."""
    todo, done = [inspect.unwrap(function)], set()
    while todo:
        part = todo.pop()
        if id(part) in done:
            continue
        done.add(id(part))
        yield part
        if isinstance(part, type):
            todo += part.__bases__
            if not _dotted(part):  # the student's own
                todo += [one for one in vars(part).values() if isinstance(one, types.FunctionType)]
            continue
        code = getattr(part, "__code__", None)
        names = getattr(part, "__globals__", {})
        for name in _names(code) if code else ():
            helper = names.get(name)
            own_function = isinstance(helper, types.FunctionType) and helper.__globals__ is names
            own_class = isinstance(helper, type) and helper.__module__ == names.get("__name__")
            if own_function or own_class:
                todo.append(helper)


def _names(code: types.CodeType) -> Iterator[str]:
    """The global names in `code` and in the functions defined within it; `co_names` has attributes too."""
    yield from (step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL")
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _dotted(value: Any) -> str | None:
    """Where a library's object lives ("torch.nn.functional", "torch.conv2d"), None for the student's own."""
    if isinstance(value, types.ModuleType):
        return value.__name__
    module, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if isinstance(module, str) and isinstance(name, str) and module.split(".")[0] in _LIBRARIES:
        return f"{module}.{name}"
    return None


def _resolve(node: ast.AST, known: Mapping[str, str | None]) -> str | None:
    """`F.conv2d` as "torch.nn.functional.conv2d", None where the first name is not a library's."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or not known.get(node.id):
        return None
    return ".".join([known[node.id], *reversed(attributes)])
