"""Interactive figures, alive in a notebook and in the built book.

Each widget is an ipywidget whose arithmetic happens in the browser. `js/` holds the views, `js/core/` the
arithmetic without any page.
"""

from pixelwise.widgets.checkerboard import Checkerboard
from pixelwise.widgets.convolution import Convolution
from pixelwise.widgets.five_views import FiveViews
from pixelwise.widgets.live_unet import LiveUNet
from pixelwise.widgets.pixel_inspector import PixelInspector
from pixelwise.widgets.pixel_loss import PixelLoss
from pixelwise.widgets.receptive_field import ReceptiveField
from pixelwise.widgets.training_playback import TrainingPlayback
from pixelwise.widgets.transposed_convolution import TransposedConvolution
from pixelwise.widgets.unet_explorer import UNetExplorer

__all__ = [
    "Checkerboard",
    "Convolution",
    "FiveViews",
    "LiveUNet",
    "PixelInspector",
    "PixelLoss",
    "ReceptiveField",
    "TrainingPlayback",
    "TransposedConvolution",
    "UNetExplorer",
]
