"""Interactive figures, alive in a notebook and in the built book.

Each widget is an ipywidget whose arithmetic happens in the browser. `js/` holds the views, `js/core/` the
arithmetic without any page.
"""

from pixelwise.widgets.checkerboard import Checkerboard
from pixelwise.widgets.five_views import FiveViews
from pixelwise.widgets.live_unet import LiveUNet
from pixelwise.widgets.transposed_convolution import TransposedConvolution

__all__ = ["Checkerboard", "FiveViews", "LiveUNet", "TransposedConvolution"]
