"""The code that defines a name in a notebook, read from its text: nothing runs."""

from __future__ import annotations

import ast
import contextlib
import dis
import types
import warnings
from collections.abc import Iterable, Iterator
from functools import lru_cache

from IPython.core.inputtransformer2 import TransformerManager


def definition(cells: Iterable[str], name: str) -> str:
    """The imports of the cells, and the definitions of `name` and of the functions and other names it uses.

    Of several definitions of a name, the last one counts, as it does when the cells run. A variable counts
    where it is another name for something ("conv = F.conv2d"). Cells that are no Python are passed over.
    """
    imports: list[ast.stmt] = []
    defined: dict[str, ast.stmt] = {}
    for cell in cells:
        for statement in _statements(cell):
            if isinstance(statement, ast.Import | ast.ImportFrom):
                imports.append(statement)
            for target in _defines(statement):
                defined[target] = statement
    todo, wanted = [name], []
    while todo:
        statement = defined.pop(todo.pop(), None)
        if statement is not None and statement not in wanted:
            wanted.append(statement)
            with contextlib.suppress(SyntaxError):  # then it did not run, whatever it is
                todo += _globals(compile(ast.Module([statement], []), "", "exec"))
    return "\n".join(ast.unparse(statement) for statement in [*imports, *wanted])


def defined_names(cell: str) -> set[str]:
    """The functions and classes that a cell defines at top level."""
    kinds = ast.FunctionDef | ast.ClassDef
    return {statement.name for statement in _statements(cell) if isinstance(statement, kinds)}


@lru_cache(maxsize=1000)
def _statements(cell: str) -> list[ast.stmt]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # students' escape sequences
            return ast.parse(TransformerManager().transform_cell(cell)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _defines(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Name | ast.Attribute):
        return {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return set()


def _globals(code: types.CodeType) -> Iterator[str]:
    """The global names that the code, or a function within it, reads."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield step.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _globals(constant)
