"""The code that defines a name in a notebook, read from its text: nothing runs."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable
from functools import lru_cache

from IPython.core.inputtransformer2 import TransformerManager


def definition(cells: Iterable[str], name: str) -> str:
    """The imports of the cells, and the statements that define `name` and the names which that uses.

    Of several definitions of a name, the last one counts, as it does when the cells run. Cells that are no
    Python are passed over.
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
            todo += [node.id for node in ast.walk(statement) if isinstance(node, ast.Name)]
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
    stored = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
    return {node.id for node in stored if isinstance(node.ctx, ast.Store)}
