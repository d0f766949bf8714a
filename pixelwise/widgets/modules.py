"""Joins the ES modules of a widget into one.

A notebook front end loads a widget's JavaScript from a blob, where `import "./core/…"` cannot be resolved.
So the modules are written as files that import each other, which Node can test as they are, and joined
into one self-contained module when the widget's class is defined.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

SOURCES = Path(__file__).parent / "js"

_IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*"([^"]+)";[ \t]*\n', re.MULTILINE)
_ANY_IMPORT = re.compile(r"^\s*import\b.*$", re.MULTILINE)
_EXPORT = re.compile(r"^export\s+(?=(?:async\s+function|function|class|const|let)\b)", re.MULTILINE)
_DECLARATION = r"(?:async\s+function|function|class|const|let)\s+(\w+)"
_EXPORTED_NAME = re.compile(rf"^export\s+{_DECLARATION}", re.MULTILINE)
_DECLARED_NAME = re.compile(rf"^(?:export\s+)?{_DECLARATION}", re.MULTILINE)


@cache
def join_modules(entry: str) -> str:
    """The module `entry` (a path under `js/`) and all that it imports, as one ES module.

    Modules share one scope after joining, so that a name may be declared at top level only once, imports
    may not rename, and only `entry` keeps its exports.

    Raises `ValueError` where a module breaks one of these rules or imports a name that is not exported.
    """
    joined: dict[Path, str] = {}
    declared: dict[str, Path] = {}

    def visit(path: Path) -> None:
        if path in joined:
            return
        joined[path] = ""  # also ends a circle of imports
        if not path.is_file():
            raise ValueError(f"{path} does not exist")
        source = path.read_text(encoding="utf-8")
        for names, target in _IMPORT.findall(source):
            imported = (path.parent / target).resolve()
            visit(imported)
            exported = set(_EXPORTED_NAME.findall(imported.read_text(encoding="utf-8")))
            for name in filter(None, (n.strip() for n in names.split(","))):
                if name not in exported:
                    raise ValueError(f"{path.name} imports {name!r}, which {imported.name} does not export")
        body = _IMPORT.sub("", source)
        if rest := _ANY_IMPORT.search(body):
            raise ValueError(
                f'{path.name}: write `{rest[0].strip()}` as `import {{ name }} from "./file.js";`'
            )
        for name in _DECLARED_NAME.findall(body):
            if name in declared:
                raise ValueError(f"{name!r} is declared in {declared[name].name} and again in {path.name}")
            declared[name] = path
        del joined[path]  # after its imports: a module stands below what it uses
        joined[path] = body if path == root else _EXPORT.sub("", body)

    root = (SOURCES / entry).resolve()
    visit(root)
    return "\n".join(f"// {path.name}\n{body.strip()}\n" for path, body in joined.items())
