"""Short hashes of code and data: a result whose hash is not today's was measured on something else.

Comments, docstrings and blank lines do not count, and of the recipes only the one that was used.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from experiments.recipes import RECIPES

ROOT = Path(__file__).parent.parent

#: What every result depends on. The data are hashed as such, so that their loaders may be rewritten.
LIBRARY = tuple(
    f"pixelwise/{name}.py" for name in ("unet", "losses", "augmentation", "training", "metrics", "inference")
)


def code_hash(module: str, data: str) -> str:
    """Of the library, of the experiment's own module, and of the recipe of its data set."""
    digest = hashlib.sha256()
    for path in (*LIBRARY, f"experiments/{module}.py"):
        digest.update(essence((ROOT / path).read_text(encoding="utf-8")).encode())
    recipe = dataclasses.asdict(RECIPES[data])
    digest.update(repr({**recipe, "loss": recipe["loss"].__name__}).encode())
    return digest.hexdigest()[:10]


def data_hash(data: str, **settings: Any) -> str:
    """Of the number of examples of every part, and of three of them."""
    digest = hashlib.sha256()
    for part in RECIPES[data].parts:
        count, some = RECIPES[data].sample(part, **settings)
        digest.update(f"{part} {count}".encode())
        for image, class_map in some:
            digest.update(image.numpy().tobytes() + class_map.numpy().tobytes())
    return digest.hexdigest()[:10]


def essence(source: str) -> str:
    """Python source without comments, docstrings and layout: its syntax tree, the same in every Python."""
    return repr(_tree(ast.parse(source)))


def _tree(node: Any) -> Any:
    if isinstance(node, list):
        return [_tree(item) for item in node]
    if not isinstance(node, ast.AST):
        return node
    fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, [])}
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
        fields["body"] = node.body[1:]
    return type(node).__name__, [(name, _tree(value)) for name, value in fields.items()]
