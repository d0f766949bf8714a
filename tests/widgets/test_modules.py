"""Joining a widget's modules: what comes out runs alone, and what would not run is refused with a reason."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from pixelwise import widgets
from pixelwise.widgets import modules


@pytest.fixture
def join(tmp_path, monkeypatch):
    """`join({"file.js": source, …})` joins what the first file imports."""
    monkeypatch.setattr(modules, "SOURCES", tmp_path)

    def join_files(files: dict[str, str]) -> str:
        for name, source in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(source, encoding="utf-8")
        return modules.join_modules.__wrapped__(next(iter(files)))

    return join_files


def run(module: str, expression: str):
    """The value of an expression in which `m` is the module, loaded as a front end does: without a file."""
    code = f"""
    const m = await import("data:text/javascript," + encodeURIComponent({json.dumps(module)}));
    process.stdout.write(JSON.stringify({expression}));
    """
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", code], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_joined_modules_run_alone_and_in_order(join):
    joined = join(
        {
            "view.js": 'import { twice } from "./core/double.js";\nimport {\n  base,\n} from "./base.js";\n'
            "export const answer = twice(base) + 1;\nexport default { answer };\n",
            "core/double.js": 'import { base } from "../base.js";\n'
            "export function twice(x) { return 2 * x * base; }\n",
            "base.js": "export const base = 3;\nconst unused = 0;\n",
        }
    )
    assert "import" not in joined
    assert run(joined, "[m.answer, m.default.answer, Object.keys(m)]") == [19, 19, ["answer", "default"]]
    assert joined.count("const base = 3") == 1


@pytest.mark.parametrize(
    ("entry", "imported", "message"),
    [
        ('import { x } from "./c.js";\n', "", "c.js does not exist"),
        ('import { x } from "./b.js";\n', "const x = 1;\n", "imports 'x', which b.js does not export"),
        ('import { x as y } from "./b.js";\n', "export const x = 1;\n", "imports 'x as y'"),
        ('import x from "./b.js";\n', "export const x = 1;\n", "write `import x from"),
        ('import * as b from "./b.js";\n', "", r"write `import \* as b"),
        ("import './b.js';\n", "", "write `import './b.js'"),
        ('import { x } from "./b.js"\n', "export const x = 1;\n", "write `import"),
        ('import { x } from "./b.js";\nlet y;\n', "export const x = 1;\nlet y;\n", "'y' is declared in b"),
        ('import { f } from "./b.js";\nasync function f() {}\n', "export class f {}\n", "'f' is declared"),
    ],
)  # fmt: skip
def test_modules_that_cannot_be_joined_are_refused(join, entry, imported, message):
    with pytest.raises(ValueError, match=message):
        join({"a.js": entry, "b.js": imported})


def test_a_circle_of_imports_ends(join):
    joined = join(
        {
            "a.js": 'import { b } from "./b.js";\nexport function a(n) { return n ? b(n - 1) : "a"; }\n',
            "b.js": 'import { a } from "./a.js";\nexport function b(n) { return n ? a(n - 1) : "b"; }\n',
        }
    )
    assert run(joined, "[m.a(0), m.a(1), m.a(2)]") == ["a", "b", "a"]


@pytest.mark.parametrize("name", widgets.__all__)
def test_every_widget_is_one_module_with_a_view(name):
    module = getattr(widgets, name)._esm
    module = getattr(module, "read_text", lambda: module)()
    assert not re.search(r"^\s*import\b", module, re.MULTILINE)
    assert run(module, "typeof m.default.render") == "function"
