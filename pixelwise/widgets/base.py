"""What all widgets share: their look, the way they load, and traits that hold arrays of numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from pixelwise import palette
from pixelwise.widgets.modules import SOURCES, join_modules

_LOOK = Path(__file__).parent / "look.css"


def styles(*views: str) -> str:
    """The style sheet of these views (all, if none is named): colours, the common look, and what stands
    beside a view, `convolution.css` beside `convolution.js`."""
    own = [(SOURCES / view).with_suffix(".css") for view in views] or sorted(SOURCES.glob("*.css"))
    return palette.css_variables() + "\n".join(path.read_text(encoding="utf-8") for path in [_LOOK, *own])


class Widget(anywidget.AnyWidget):
    """A widget whose arithmetic happens in the browser.

    The view is a pure function of the traits. A click, a key or the pointer only sets traits, so that the
    same object works with a kernel (JupyterLab, Notebook 7, Colab) and without one (the built book).

    A subclass names its view: `view = "convolution.js"`. (Colab's traitlets takes no arguments of classes.)
    """

    #: What a link to this widget's state is called: `page.html#name?step=5`. One name a page.
    name = traitlets.Unicode("").tag(sync=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if view := vars(cls).get("view"):
            cls._esm = join_modules(view)
            cls._css = styles(view)
        super().__init_subclass__(**kwargs)


class Array(traitlets.List):
    """A trait that holds a rectangular array of finite numbers as nested lists.

    Takes nested lists, NumPy arrays and tensors of at most `ndim` dimensions; missing leading dimensions
    (channels) are added. `largest` bounds the sizes, so that a picture put in by mistake is refused with
    a sentence rather than drawn as ten thousand cells. With `optional=True`, None or an empty list stands for
    no array.
    """

    def __init__(
        self, default: Any = (), *, ndim: int, largest: tuple[int, ...], optional: bool = False
    ) -> None:
        self.ndim, self.largest, self.optional = ndim, largest, optional
        super().__init__(default_value=self._nested(default))
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> list:
        what = f"{type(obj).__name__}.{self.name}"
        nested = self._nested(value)
        if self.optional and nested in (None, []):
            return []
        shape = _shape(nested, what)
        if len(shape) > self.ndim:
            raise traitlets.TraitError(f"{what} has at most {self.ndim} dimensions, got shape {shape}")
        for _ in range(self.ndim - len(shape)):
            nested = [nested]
        shape = (1,) * (self.ndim - len(shape)) + shape
        if any(size > most for size, most in zip(shape, self.largest, strict=True)):
            raise traitlets.TraitError(f"{what} shows at most {self.largest} numbers, got shape {shape}")
        return nested

    @staticmethod
    def _nested(value: Any) -> Any:
        if hasattr(value, "detach"):  # a tensor, on whichever device
            value = value.detach().cpu()
        if hasattr(value, "tolist"):
            return value.tolist()
        return [Array._nested(v) for v in value] if isinstance(value, (list, tuple)) else value


def _shape(nested: Any, what: str) -> tuple[int, ...]:
    """The shape of nested lists; a `TraitError` names what is wrong with them."""
    if not isinstance(nested, list):
        if isinstance(nested, bool) or not isinstance(nested, (int, float)) or not math.isfinite(nested):
            raise traitlets.TraitError(f"{what} holds finite numbers, got {nested!r}")
        return ()
    if not nested:
        raise traitlets.TraitError(f"{what} has an empty dimension")
    shapes = {_shape(item, what) for item in nested}
    if len(shapes) > 1:
        raise traitlets.TraitError(f"{what} has rows of different lengths")
    return (len(nested), *shapes.pop())
