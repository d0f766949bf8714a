"""The explorer of chapter 5: a U-Net step by step, and what each of its layers costs and sees."""

from __future__ import annotations

import traitlets

from pixelwise.widgets.base import Widget


class UNetExplorer(Widget):
    """Draws `pixelwise.UNet` for a square image, built up in steps; every layer can be asked for its numbers.

    Without arguments it is the paper's network at 572 × 572, complete.

    Parameters
    ----------
    size: height and width of the image. One that the network cannot take is shown with the layer that breaks.
    depth: 1 to 5; base_channels: 1 to 128; padding: 0 or 1; in_channels, num_classes: 1 to 64; copy_paths:
        as in `pixelwise.UNet`
    step: how far the network is built, 0 is the image; beyond the last step, all of it
    selected: the layer whose numbers are shown, 0 for the image, then in the order of
        `UNet.describe`; −1 for the layer of the current step

    Raises `traitlets.TraitError` where an argument is out of its range.
    """

    view = "unet_explorer.js"

    size = traitlets.Int(572, min=1, max=4096).tag(sync=True)
    depth = traitlets.Int(4, min=1, max=5).tag(sync=True)
    base_channels = traitlets.Int(64, min=1, max=128).tag(sync=True)
    padding = traitlets.Int(0, min=0, max=1).tag(sync=True)
    in_channels = traitlets.Int(1, min=1, max=64).tag(sync=True)
    num_classes = traitlets.Int(2, min=1, max=64).tag(sync=True)
    copy_paths = traitlets.Bool(True).tag(sync=True)
    step = traitlets.Int(99, min=0).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    selected = traitlets.Int(-1, min=-1).tag(sync=True)
    #: The layer that the pointer is on, or −1.
    hovered = traitlets.Int(-1, min=-1).tag(sync=True)
