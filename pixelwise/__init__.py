"""Image segmentation, pixel by pixel: the library behind the course."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["UNet"]


def __getattr__(name: str) -> Any:
    # Imported when it is asked for: widgets and figures do not have to wait for torch.nn.
    if name == "UNet":
        from pixelwise.unet import UNet

        return UNet
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
