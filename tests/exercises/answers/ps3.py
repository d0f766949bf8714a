"""Answers to problem set 3, the U-Net."""

import itertools
import operator

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import pixelwise
from pixelwise.unet import UNet as LibraryUNet
from pixelwise.unet import centre_crop

from . import Bank

ANSWERS = Bank()
add = ANSWERS.add

# --- DoubleConv -------------------------------------------------------------------------------------------

PAIR = "DoubleConv"


@add(PAIR, "right")
class InSequence(nn.Sequential):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=padding),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=padding),
            nn.ReLU(),
        )


class Pair(nn.Module):
    """As many write it; the answers below that are wrong change one method."""

    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__()
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=padding)
        self.first = nn.Conv2d(in_channels, out_channels, 3, padding=padding)

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))))


@add(PAIR, "right")
class TwoAttributes(Pair):
    pass


@add(PAIR, "right")
class ByLoop(nn.Module):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(channels, out_channels, (3, 3), (1, 1), (padding, padding))
            for channels in (in_channels, out_channels)
        )

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).clamp(min=0)
        return x


@add(PAIR, "right")
class OwnParameters(nn.Module):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__()
        self.padding = padding
        self.w1 = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3) / 10)
        self.b1 = nn.Parameter(torch.zeros(out_channels))
        self.w2 = nn.Parameter(torch.randn(out_channels, out_channels, 3, 3) / 10)
        self.b2 = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x):
        x = F.relu(F.conv2d(x, self.w1, self.b1, padding=self.padding))
        return F.relu(F.conv2d(x, self.w2, self.b2, padding=self.padding))


@add(PAIR, "right")
class PaddedByHand(Pair):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__(in_channels, out_channels)
        self.ring = nn.ZeroPad2d(padding)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.relu(self.first(self.ring(x)))
        return self.relu(self.second(self.ring(x)))


@add(PAIR, "misreading", "no ReLU follows the second")
class NoLastReLU(Pair):
    def forward(self, x):
        return self.second(F.relu(self.first(x)))


@add(PAIR, "misreading", "no ReLU stands between")
class NoFirstReLU(Pair):
    def forward(self, x):
        return F.relu(self.second(self.first(x)))


@add(PAIR, "misreading", "no ReLU at all")
class NoReLU(Pair):
    def forward(self, x):
        return self.second(self.first(x))


@add(PAIR, "misreading", "one convolution instead of two")
class OneConvolution(nn.Module):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__()
        self.first = nn.Conv2d(in_channels, out_channels, 3, padding=padding)

    def forward(self, x):
        return F.relu(self.first(x))


@add(PAIR, "misreading", "second convolution brings the new channels")
class WidensLate(Pair):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__(in_channels, out_channels, padding)
        self.first = nn.Conv2d(in_channels, in_channels, 3, padding=padding)
        self.second = nn.Conv2d(in_channels, out_channels, 3, padding=padding)


@add(PAIR, "misreading", "ignored and the convolutions are valid")
class NeverPadded(Pair):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__(in_channels, out_channels)


@add(PAIR, "misreading", "ignored and the convolutions are padded")
class AlwaysPadded(Pair):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__(in_channels, out_channels, padding=1)


@add(PAIR, "misreading", "batch norm")
class WithBatchNorm(Pair):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__(in_channels, out_channels, padding)
        self.n1, self.n2 = nn.BatchNorm2d(out_channels), nn.BatchNorm2d(out_channels)

    def forward(self, x):
        return F.relu(self.n2(self.second(F.relu(self.n1(self.first(x))))))


@add(PAIR, "misreading", "no bias")
class NoBias(Pair):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__(in_channels, out_channels, padding)
        self.first = nn.Conv2d(in_channels, out_channels, 3, padding=padding, bias=False)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=padding, bias=False)


@add(PAIR, "misreading", "batch norm stands behind the ReLUs")
class WithLateBatchNorm(WithBatchNorm):
    def forward(self, x):
        return self.n2(F.relu(self.second(self.n1(F.relu(self.first(x))))))


@add(PAIR, "misreading", "batch norm stands behind the convolutions, which have no bias")
class BatchNormForBias(WithBatchNorm):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__(in_channels, out_channels, padding)
        self.first.bias = self.second.bias = None


@add(PAIR, "misreading", "a ReLU stands before the first convolution, too")
class ReLUFirst(Pair):
    def forward(self, x):
        return super().forward(F.relu(x))


@add(PAIR, "misreading", "stand before the convolutions, not behind")
class ReLUsBefore(Pair):
    def forward(self, x):
        return self.second(F.relu(self.first(F.relu(x))))


@add(PAIR, "misreading", "only the first convolution of a pair is padded")
class PadsTheFirst(Pair):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__(in_channels, out_channels, padding)
        self.second = nn.Conv2d(out_channels, out_channels, 3)


@add(PAIR, "misreading", "only the second convolution of a pair is padded")
class PadsTheSecond(Pair):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__(in_channels, out_channels, padding)
        self.first = nn.Conv2d(in_channels, out_channels, 3)


@add(PAIR, "misreading", "where PyTorch does not look for them")
class NotRegistered(nn.Module):
    """Its convolutions stand in a list that PyTorch does not see."""

    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__()
        channels = (in_channels, out_channels)
        self.layers = [nn.Conv2d(one, out_channels, 3, padding=padding) for one in channels]

    def forward(self, x):
        for layer in self.layers:
            x = F.relu(layer(x))
        return x


@add(PAIR, "misreading", "`self.layers` of InADictionary is a dict: PyTorch finds 0 parameters")
class InADictionary(Pair):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__(in_channels, out_channels, padding)
        self.layers = {"first": self.first, "second": self.second}
        del self.first, self.second

    def forward(self, x):
        return F.relu(self.layers["second"](F.relu(self.layers["first"](x))))


@add(PAIR, "right")
class ListedTwice(Pair):
    """A list beside the attributes does no harm."""

    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__(in_channels, out_channels, padding)
        self.both = [self.first, self.second]

    def forward(self, x):
        for layer in self.both:
            x = F.relu(layer(x))
        return x


@add(PAIR, "broken", "rounded to float32")
class ThroughFloat32(Pair):
    def forward(self, x):
        return super().forward(x.float().to(x.dtype))


@add(PAIR, "axis swap", "rows and columns of the result")
class SwapsAxes(Pair):
    def forward(self, x):
        return super().forward(x).transpose(2, 3)


@add(PAIR, "broken", "its argument `x`")
class InPlaceOnTheInput(Pair):
    def forward(self, x):
        scores = super().forward(x)
        x.zero_()
        return scores


@add(PAIR, "hard-coded")
class OneChannelOnly(Pair):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__(1, 2, padding)


@add(PAIR, "cheat", "pixelwise.unet")
class TheLibrarysPair(nn.Module):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__()
        self.pair = pixelwise.unet.DoubleConvolution(in_channels, out_channels, padding, None)

    def forward(self, x):
        return self.pair(x)


@add(PAIR, "unsolved", "still raises")
class PairUnsolved(nn.Module):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__()
        raise NotImplementedError()


# --- center_crop ------------------------------------------------------------------------------------------

CROP = "center_crop"


@add(CROP, "right")
def slices(x, height, width):
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]


@add(CROP, "right")
def negative_padding(x, height, width):
    rows, columns = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return F.pad(x, (-columns, -columns, -rows, -rows))


@add(CROP, "right")
def narrowed(x, height, width):
    x = x.narrow(-2, (x.size(-2) - height) // 2, height)
    return x.narrow(-1, (x.size(-1) - width) // 2, width)


@add(CROP, "right")
def rounded(x, height, width):
    """As torchvision does it."""
    top = round((x.shape[-2] - height) / 2.0)
    left = round((x.shape[-1] - width) / 2.0)
    return x[..., top : top + height, left : left + width].clone()


@add(CROP, "right")
def by_indices(x, height, width):
    rows = torch.arange(height, device=x.device) + (x.shape[-2] - height) // 2
    columns = torch.arange(width, device=x.device) + (x.shape[-1] - width) // 2
    return x.index_select(-2, rows).index_select(-1, columns)


@add(CROP, "right")
def peeled(x, height, width):
    """One row off both ends at a time."""
    while x.shape[-2] > height:
        x = x[..., 1:-1, :]
    while x.shape[-1] > width:
        x = x[..., 1:-1]
    return x


@add(CROP, "misreading", "top left corner")
def top_left(x, height, width):
    return x[..., :height, :width]


@add(CROP, "misreading", "bottom right corner")
def bottom_right(x, height, width):
    return x[..., x.shape[-2] - height :, x.shape[-1] - width :]


@add(CROP, "misreading", "columns are cropped by what belongs to rows")
def rows_for_both(x, height, width):
    cut = (x.shape[-2] - height) // 2
    return x[..., cut : cut + height, cut : cut + width]


@add(CROP, "off by one", "is empty where nothing is cut")
def from_the_end(x, height, width):
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top:-top, left:-left]


@add(CROP, "off by one", "one row and one column too late")
def one_too_late(x, height, width):
    top, left = (x.shape[-2] - height) // 2 + 1, (x.shape[-1] - width) // 2 + 1
    return x[..., top : top + height, left : left + width]


@add(CROP, "misreading", "cut at both ends")
def all_at_both_ends(x, height, width):
    rows, columns = x.shape[-2] - height, x.shape[-1] - width
    return x[..., rows : x.shape[-2] - rows, columns : x.shape[-1] - columns]


@add(CROP, "misreading", "resized")
def interpolated(x, height, width):
    x = x.reshape(-1, 1, *x.shape[-2:]) if x.dim() < 4 else x
    return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)


@add(CROP, "misreading", "resized to the nearest values")
def nearest(x, height, width):
    x = x.reshape(-1, 1, *x.shape[-2:]) if x.dim() < 4 else x
    return F.interpolate(x, size=(height, width))


@add(CROP, "misreading", "rows are cropped by what belongs to columns.")
def columns_for_both(x, height, width):
    cut = (x.shape[-1] - width) // 2
    return x[..., cut : cut + height, cut : cut + width]


@add(CROP, "broken", "Your result has the shape")
def nothing_but_99(x, height, width):
    """A wrong shape with numbers of no misunderstanding."""
    return torch.full((height + 1, width), 99.0)


@add(CROP, "broken", "rounded to float32")
def cropped_in_float32(x, height, width):
    return slices(x.float(), height, width).to(x.dtype)


@add(CROP, "axis swap", "height and width are swapped")
def height_and_width(x, height, width):
    return slices(x, width, height)


@add(CROP, "axis swap", "columns by what belongs to rows")
def starts_swapped(x, height, width):
    left, top = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]


@add(CROP, "hard-coded")
def always_one(x, height, width):
    return x[..., 1:-1, 1:-1]


@add(CROP, "cheat", "pixelwise.unet.centre_crop")
def the_librarys_crop(x, height, width):
    return centre_crop(x, (height, width))


@add(CROP, "unsolved", "still raises")
def crop_unsolved(x, height, width):
    raise NotImplementedError()


# --- UpBlock ----------------------------------------------------------------------------------------------

LEVEL = "UpBlock"


class Level(nn.Module):
    """As many write it; the answers below that are wrong change one method."""

    pair = Pair

    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__()
        self.up = self.upwards(in_channels, out_channels)
        self.convolutions = self.pair(self.joined(out_channels), out_channels, padding)

    def upwards(self, in_channels, out_channels):
        return nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)

    def joined(self, out_channels):
        return 2 * out_channels

    def crop(self, copied, x):
        return slices(copied, x.shape[-2], x.shape[-1])

    def join(self, copied, x):
        return torch.cat([copied, x], dim=1)

    def forward(self, x, copied):
        x = self.up(x)
        return self.convolutions(self.join(self.crop(copied, x), x))


@add(LEVEL, "right")
class LevelInParts(Level):
    pass


@add(LEVEL, "right")
class LevelByPadding(Level):
    pair = InSequence

    def crop(self, copied, x):
        rows, columns = copied.shape[2] - x.shape[2], copied.shape[3] - x.shape[3]
        return F.pad(copied, [-columns // 2, -columns // 2, -rows // 2, -rows // 2])


@add(LEVEL, "right")
class LevelAllocates(Level):
    """One tensor for both halves."""

    def join(self, copied, x):
        both = x.new_empty(x.shape[0], copied.shape[1] + x.shape[1], *x.shape[2:])
        both[:, : copied.shape[1]] = copied
        both[:, copied.shape[1] :] = x
        return both


@add(LEVEL, "right")
class LevelWithoutPair(nn.Module):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__()
        self.a = nn.ConvTranspose2d(in_channels, in_channels // 2, kernel_size=2, stride=2)
        self.b = nn.Conv2d(in_channels, out_channels, 3, padding=padding)
        self.c = nn.Conv2d(out_channels, out_channels, 3, padding=padding)

    def forward(self, x, copied):
        x = self.a(x)
        joined = torch.hstack((narrowed(copied, *x.shape[2:]), x))
        return self.c(self.b(joined).relu()).relu()


@add(LEVEL, "misreading", "joined behind the others")
class CopiesLast(Level):
    def join(self, copied, x):
        return torch.cat([x, copied], dim=1)


@add(LEVEL, "misreading", "top left corner")
class CropsTopLeft(Level):
    def crop(self, copied, x):
        return copied[:, :, : x.shape[2], : x.shape[3]]


@add(LEVEL, "misreading", "added instead of being concatenated")
class Adds(Level):
    def joined(self, out_channels):
        return out_channels

    def join(self, copied, x):
        return copied + x


@add(LEVEL, "misreading", "copied features are not used")
class ForgetsTheCopy(Level):
    def joined(self, out_channels):
        return out_channels

    def join(self, copied, x):
        return x


@add(LEVEL, "misreading", "resized instead of being cropped")
class ResizesTheCopy(Level):
    def crop(self, copied, x):
        return F.interpolate(copied, x.shape[2:], mode="bilinear", align_corners=False)


@add(LEVEL, "misreading", "padded to the size of the copy")
class PadsTheUpsampled(Level):
    """As a well-known implementation does."""

    def forward(self, x, copied):
        x = self.up(x)
        rows, columns = copied.shape[2] - x.shape[2], copied.shape[3] - x.shape[3]
        x = F.pad(x, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
        return self.convolutions(torch.cat([copied, x], dim=1))


@add(LEVEL, "misreading", "bilinear interpolation")
class Interpolates(Level):
    def upwards(self, in_channels, out_channels):
        return nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(in_channels, out_channels, 1)
        )


@add(LEVEL, "misreading", "ReLU follows the up-convolution")
class ReLUAfterUp(Level):
    def upwards(self, in_channels, out_channels):
        return nn.Sequential(nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2), nn.ReLU())


@add(LEVEL, "misreading", "one convolution instead of two")
class LevelWithOneConvolution(Level):
    pair = OneConvolution


@add(LEVEL, "misreading", "no ReLU follows the second")
class LevelWithoutReLU(Level):
    pair = NoLastReLU


@add(LEVEL, "misreading", "the copy is not cropped")
class NeverCrops(Level):
    def crop(self, copied, x):
        return copied


@add(LEVEL, "misreading", "resized to the nearest values")
class ResizesToTheNearest(Level):
    def crop(self, copied, x):
        return F.interpolate(copied, x.shape[2:])


@add(LEVEL, "misreading", "the up-convolution has no bias")
class UpWithoutBias(Level):
    def upwards(self, in_channels, out_channels):
        return nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2, bias=False)


@add(LEVEL, "misreading", "the up-convolution has stride 1")
class UpWithoutStride(Level):
    def upwards(self, in_channels, out_channels):
        return nn.ConvTranspose2d(in_channels, out_channels, 2)


@add(LEVEL, "axis swap", "along the images of the batch")
class JoinsImages(Level):
    def join(self, copied, x):
        return torch.cat([copied, x], dim=0)


@add(LEVEL, "axis swap", "along the rows")
class JoinsRows(Level):
    def join(self, copied, x):
        return torch.cat([copied, x], dim=2)


@add(LEVEL, "misreading", "the way up only repeats values")
class UpsamplesOnly(Level):
    def upwards(self, in_channels, out_channels):
        return nn.Upsample(scale_factor=2)


@add(LEVEL, "misreading", "the way up only interpolates")
class UpsamplesAndReadsAll(Level):
    def upwards(self, in_channels, out_channels):
        return nn.Upsample(scale_factor=2, mode="bilinear")

    def joined(self, out_channels):
        return 3 * out_channels


@add(LEVEL, "misreading", "where PyTorch does not look for them")
class LevelInAList(Level):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__(in_channels, out_channels, padding)
        self.parts = [self.up, self.convolutions]
        del self.up, self.convolutions

    def forward(self, x, copied):
        up, pair = self.parts
        x = up(x)
        return pair(self.join(self.crop(copied, x), x))


@add(LEVEL, "broken", "device than the CPU")
class LevelOnTheCPU(Level):
    """The one that the device is to blame for."""

    def join(self, copied, x):
        return super().join(copied, x) + torch.zeros(1, device="cpu").numpy().item() * float(x.sum())


@add(LEVEL, "axis swap", "columns are cropped by what belongs to rows")
class LevelCropsSquares(Level):
    def crop(self, copied, x):
        cut = (copied.shape[2] - x.shape[2]) // 2
        return copied[:, :, cut : cut + x.shape[2], cut : cut + x.shape[3]]


@add(LEVEL, "broken", "no gradient back to `copied`")
class DetachesTheCopy(Level):
    def crop(self, copied, x):
        return super().crop(copied.detach(), x)


@add(LEVEL, "misreading", "ignored and the convolutions are valid")
class LevelNeverPads(Level):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__(in_channels, out_channels)


@add(LEVEL, "cheat", "pixelwise.unet")
class TheLibrarysLevel(pixelwise.unet.UpBlock):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__(in_channels, out_channels, padding, None, True, "transposed")


@add(LEVEL, "unsolved", "still raises")
class LevelUnsolved(nn.Module):
    def __init__(self, in_channels, out_channels, padding=0):
        super().__init__()
        raise NotImplementedError()


# --- UNet -------------------------------------------------------------------------------------------------

NET = "UNet"


class Net(nn.Module):
    """As many write it; the answers below that are wrong change one part."""

    pair, level = Pair, Level

    def __init__(self, in_channels, num_classes, base_channels=64, depth=4, padding=0):
        super().__init__()
        channels = self.channels(base_channels, depth)
        before = [in_channels, *channels]
        self.down = nn.ModuleList(self.pair(a, b, padding) for a, b in zip(before, channels, strict=False))
        self.up = nn.ModuleList(
            self.level(b, a, padding) for a, b in reversed(list(itertools.pairwise(channels)))
        )
        self.head = self.last(base_channels, num_classes)

    def channels(self, base_channels, depth):
        return [base_channels * 2**level for level in range(depth + 1)]

    def last(self, base_channels, num_classes):
        return nn.Conv2d(base_channels, num_classes, 1)

    def pool(self, x):
        return F.max_pool2d(x, 2)

    def scores(self, x):
        return self.head(x)

    def forward(self, x):
        copies = []
        for number, pair in enumerate(self.down):
            x = pair(self.pool(x) if number else x)
            copies.append(x)
        x = copies.pop()
        for level in self.up:
            x = level(x, copies.pop())
        return self.scores(x)


@add(NET, "right")
class WithAPile(Net):
    pass


@add(NET, "right")
class Recursive(nn.Module):
    """A level, with all that is below it inside."""

    class Below(nn.Module):
        def __init__(self, in_channels, channels, depth, padding):
            super().__init__()
            self.pair = InSequence(in_channels, channels, padding)
            self.below = Recursive.Below(channels, 2 * channels, depth - 1, padding) if depth else None
            self.up = LevelByPadding(2 * channels, channels, padding) if depth else None

        def forward(self, x):
            x = self.pair(x)
            return self.up(self.below(F.max_pool2d(x, 2)), x) if self.below else x

    def __init__(self, in_channels, num_classes, base_channels=64, depth=4, padding=0):
        super().__init__()
        self.body = Recursive.Below(in_channels, base_channels, depth, padding)
        self.head = nn.Conv2d(base_channels, num_classes, 1)

    def forward(self, x):
        return self.head(self.body(x))


@add(NET, "right")
class NumberedAttributes(nn.Module):
    def __init__(self, in_channels, num_classes, base_channels=64, depth=4, padding=0):
        super().__init__()
        self.depth, width = depth, base_channels
        self.head = nn.Conv2d(width, num_classes, kernel_size=(1, 1))
        for number in range(depth):
            setattr(self, f"down{number}", ByLoop(in_channels, width, padding))
            setattr(self, f"up{number}", LevelWithoutPair(2 * width, width, padding))
            in_channels, width = width, 2 * width
        self.bottom = ByLoop(in_channels, width, padding)
        self.pooling = nn.MaxPool2d(2, 2)

    def forward(self, x):
        kept = {}
        for number in range(self.depth):
            kept[number] = getattr(self, f"down{number}")(x)
            x = self.pooling(kept[number])
        x = self.bottom(x)
        for number in range(self.depth - 1, -1, -1):
            x = getattr(self, f"up{number}")(x, kept[number])
        return self.head(x)


@add(NET, "right")
class HeadAsAMatrix(Net):
    """At every position the same matrix; and dropout, which does nothing outside training."""

    def last(self, base_channels, num_classes):
        return nn.Sequential(nn.Dropout(0.5), nn.Linear(base_channels, num_classes))

    def scores(self, x):
        return self.head(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@add(NET, "right")
class FunctionsOnly(nn.Module):
    """All parameters in one list, in no particular order."""

    def __init__(self, in_channels, num_classes, base_channels=64, depth=4, padding=0):
        super().__init__()
        self.depth, self.padding = depth, padding
        widths = [in_channels] + [base_channels * 2**level for level in range(depth + 1)]
        shapes = {"head": (num_classes, base_channels, 1, 1)}
        for level in range(1, depth + 2):
            a, b = widths[level - 1], widths[level]
            shapes |= {f"{level}a": (b, a, 3, 3), f"{level}b": (b, b, 3, 3)}
            if level > 1:
                shapes |= {f"up{level - 1}": (b, a, 2, 2), f"{level - 1}c": (a, 2 * a, 3, 3)}
                shapes |= {f"{level - 1}d": (a, a, 3, 3)}
        self.w = nn.ParameterDict({k: torch.randn(s) / 9 for k, s in shapes.items()})
        outputs = {k: s[1] if k.startswith("up") else s[0] for k, s in shapes.items()}
        self.b = nn.ParameterDict({k: torch.zeros(n) for k, n in outputs.items()})

    def convolved(self, x, *names):
        for name in names:
            x = torch.relu(torch.conv2d(x, self.w[name], self.b[name], padding=self.padding))
        return x

    def forward(self, x):
        copies = []
        for level in range(1, self.depth + 1):
            x = self.convolved(x, f"{level}a", f"{level}b")
            copies.append(x)
            x = x.unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5))
        x = self.convolved(x, f"{self.depth + 1}a", f"{self.depth + 1}b")
        for level in range(self.depth, 0, -1):
            x = F.conv_transpose2d(x, self.w[f"up{level}"], self.b[f"up{level}"], stride=2)
            x = torch.cat((slices(copies[level - 1], *x.shape[2:]), x), 1)
            x = self.convolved(x, f"{level}c", f"{level}d")
        return F.conv2d(x, self.w["head"], self.b["head"])


def with_level(wrong):
    """The network with another level."""
    return type(f"Net{wrong.__name__}", (Net,), {"level": wrong, "__module__": __name__})


def with_pair(wrong):
    """The network with another pair, on both paths."""
    level = type(f"Level{wrong.__name__}", (Level,), {"pair": wrong, "__module__": __name__})
    return type(f"Net{wrong.__name__}", (Net,), {"pair": wrong, "level": level, "__module__": __name__})


for _wrong, _named in (
    (CopiesLast, "joined behind the others"),
    (CropsTopLeft, "top left corner"),
    (Adds, "added instead of being concatenated"),
    (ForgetsTheCopy, "copied features are not used"),
    (Interpolates, "bilinear interpolation"),
    (ReLUAfterUp, "ReLU follows the up-convolution"),
    (ResizesTheCopy, "resized instead of being cropped"),
    (PadsTheUpsampled, "padded to the size of the copy"),
    (NeverCrops, "the copy is not cropped"),
    (UpWithoutBias, "the up-convolution has no bias"),
    (UpWithoutStride, "the up-convolution has stride 1"),
    (JoinsImages, "along the images of the batch"),
):
    add(NET, "misreading", _named)(with_level(_wrong))
for _wrong, _named in (
    (NoLastReLU, "no ReLU follows the second"),
    (NoFirstReLU, "no ReLU stands between"),
    (NoReLU, "no ReLU at all"),
    (OneConvolution, "one convolution instead of two"),
    (WidensLate, "second convolution brings the new channels"),
    (NeverPadded, "ignored and the convolutions are valid"),
    (AlwaysPadded, "ignored and the convolutions are padded"),
    (WithBatchNorm, "batch norm"),
):
    add(NET, "misreading", _named)(with_pair(_wrong))


@add(NET, "misreading", "ReLU follows the head")
class ReLUAfterTheHead(Net):
    def scores(self, x):
        return F.relu(self.head(x))


@add(NET, "misreading", "softmax follows the head")
class Probabilities(Net):
    def scores(self, x):
        return self.head(x).softmax(1)


@add(NET, "misreading", "head is missing")
class NoHead(Net):
    def last(self, base_channels, num_classes):
        return nn.Identity()


@add(NET, "misreading", "head is a 3 × 3")
class WideHead(Net):
    def last(self, base_channels, num_classes):
        return nn.Conv2d(base_channels, num_classes, 3, padding=1)


@add(NET, "misreading", "channels are not doubled")
class SameChannels(Net):
    def channels(self, base_channels, depth):
        return [base_channels] * (depth + 1)


@add(NET, "off by one", "a pooling too few")
class CountsLevels(Net):
    def __init__(self, in_channels, num_classes, base_channels=64, depth=4, padding=0):
        super().__init__(in_channels, num_classes, base_channels, depth - 1, padding)


@add(NET, "off by one", "a pooling too many")
class OneDeeper(Net):
    def __init__(self, in_channels, num_classes, base_channels=64, depth=4, padding=0):
        super().__init__(in_channels, num_classes, base_channels, depth + 1, padding)


@add(NET, "misreading", "averages")
class AveragePooling(Net):
    def pool(self, x):
        return F.avg_pool2d(x, 2)


@add(NET, "misreading", "before the convolutions of their level")
class CopiesAfterPooling(nn.Module):
    """What is kept is the pooled map. So each level gets what entered it, and the first one the image."""

    def __init__(self, in_channels, num_classes, base_channels=64, depth=4, padding=0):
        super().__init__()
        widths = [in_channels] + [base_channels * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(Pair(a, b, padding) for a, b in itertools.pairwise(widths))
        self.ups, self.pairs = nn.ModuleList(), nn.ModuleList()
        for level in range(depth, 0, -1):
            self.ups.append(nn.ConvTranspose2d(widths[level + 1], widths[level], 2, stride=2))
            self.pairs.append(Pair(widths[level] + widths[level - 1], widths[level], padding))
        self.head = nn.Conv2d(base_channels, num_classes, 1)

    def forward(self, x):
        kept = [x]
        for number, pair in enumerate(self.down):
            x = pair(x)
            if number < len(self.ups):
                x = F.max_pool2d(x, 2)
                kept.append(x)
        kept.pop()
        for up, pair in zip(self.ups, self.pairs, strict=True):
            x = up(x)
            x = pair(torch.cat([slices(kept.pop(), *x.shape[2:]), x], 1))
        return self.head(x)


@add(NET, "misreading", "the first copy made is the first one used")
class CopiesFirstFirst(Net):
    """A queue in place of a pile: the first copy meets the lowest level."""

    def forward(self, x):
        copies = []
        for number, pair in enumerate(self.down):
            x = pair(self.pool(x) if number else x)
            copies.append(x)
        x = copies.pop()
        for level in self.up:
            x = level(x, copies.pop(0))
        return self.scores(x)


@add(NET, "misreading", "the pooled maps are copied")
class KeepsPooledMaps(Net):
    def forward(self, x):
        copies = []
        for pair in self.down[:-1]:
            x = self.pool(pair(x))
            copies.append(x)
        x = self.down[-1](x)
        for level in self.up:
            x = level(x, copies.pop())
        return self.scores(x)


@add(NET, "misreading", "the pooling has stride 1")
class PoolsByOne(Net):
    def pool(self, x):
        return F.max_pool2d(x, 2, stride=1)


@add(NET, "misreading", "the bottom is pooled, too")
class PoolsTheBottom(Net):
    def forward(self, x):
        copies = []
        for pair in self.down:
            copies.append(pair(x))
            x = self.pool(copies[-1])
        copies.pop()
        for level in self.up:
            x = level(x, copies.pop())
        return self.scores(x)


class PadsSomewhere(Net):
    def __init__(self, in_channels, num_classes, base_channels=64, depth=4, padding=0):
        super().__init__(in_channels, num_classes, base_channels, depth, padding)
        for part in self.not_reached():
            for layer in part.modules():
                if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3):
                    layer.padding = (0, 0)


@add(NET, "misreading", "`padding` does not reach the way up")
class PadsTheWayDown(PadsSomewhere):
    def not_reached(self):
        return self.up


@add(NET, "misreading", "`padding` does not reach the way down")
class PadsTheWayUp(PadsSomewhere):
    def not_reached(self):
        return self.down


@add(NET, "misreading", "`padding` does not reach the bottom")
class PadsAllButTheBottom(PadsSomewhere):
    def not_reached(self):
        return self.down[-1:]


@add(NET, "misreading", "`self.down` of BlocksInLists is a list")
class BlocksInLists(Net):
    def __init__(self, in_channels, num_classes, base_channels=64, depth=4, padding=0):
        super().__init__(in_channels, num_classes, base_channels, depth, padding)
        down, up = list(self.down), list(self.up)
        del self.down, self.up
        self.down, self.up = down, up


@add(NET, "broken", "smallest case that shows it")
class ScoresEnlarged(Net):
    """Valid scores, interpolated to the size of the image: its size is the padded network's."""

    def forward(self, x):
        return F.interpolate(super().forward(x), x.shape[2:])


@add(NET, "axis swap", "rows and columns of the result")
class ScoresTransposed(Net):
    def scores(self, x):
        return self.head(x).transpose(-1, -2)


@add(NET, "broken", "smallest case that shows it")
class OneLevelForAll(Net):
    """The lowest level's copy is used twice where that goes."""

    def forward(self, x):
        copies = []
        for number, pair in enumerate(self.down):
            x = pair(self.pool(x) if number else x)
            copies.append(x)
        x = copies.pop()
        for number, level in enumerate(self.up):
            x = level(x, copies.pop() * (1 if number == len(self.up) - 1 else 0))
        return self.scores(x)


@add(NET, "hard-coded")
class DepthIsIgnored(Net):
    def __init__(self, in_channels, num_classes, base_channels=64, depth=4, padding=0):
        super().__init__(in_channels, num_classes, base_channels, 4, padding)


@add(NET, "hard-coded")
class TheRightShape(nn.Module):
    """Scores of the right shape, and nothing behind them."""

    def __init__(self, in_channels, num_classes, base_channels=64, depth=4, padding=0):
        super().__init__()
        self.num_classes, self.lost = num_classes, 0 if padding else 12 * 2**depth - 8

    def forward(self, x):
        n, _, h, w = x.shape
        return x.new_zeros(n, self.num_classes, h - self.lost, w - self.lost)


@add(NET, "cheat", "pixelwise.unet.UNet")
class Inherits(LibraryUNet):
    pass


@add(NET, "cheat", "pixelwise.UNet")
class Wraps(nn.Module):
    def __init__(self, *settings, **more):
        super().__init__()
        self.net = pixelwise.UNet(*settings, **more)

    def forward(self, x):
        return self.net(x)


@add(NET, "cheat", "pixelwise.unet.UNet")
class ImportsInside(nn.Module):
    def __init__(self, *settings, **more):
        from importlib import import_module

        super().__init__()
        self.net = import_module("pixel" + "wise.unet").UNet(*settings, **more)

    def forward(self, x):
        return self.net(x)


@add(NET, "unsolved", "still raises")
class NetUnsolved(nn.Module):
    def __init__(self, in_channels, num_classes, base_channels=64, depth=4, padding=0):
        super().__init__()
        raise NotImplementedError()


# --- predicted --------------------------------------------------------------------------------------------

PREDICTED = "predicted"
RIGHT = {"a": 94, "b": 11, "c": 6, "d": 16, "e": 58, "f": 106, "g": 12, "h": 2604, "i": 1296}


@add(PREDICTED, "right")
def a_table(question):
    return RIGHT[question]


@add(PREDICTED, "right")
def a_chain(question):
    if question in "ab":
        return 94 if question == "a" else 11
    if question in ("c", "d"):
        return (45 - 33) // 2 if question == "c" else (94 - 62) // 2
    return {"e": 58, "f": 100 + 6, "g": 6 + 6, "h": 24 * 9 * 12 + 12, "i": 12 * 9 * 12}[question]


@add(PREDICTED, "right")
def worked_out(question):
    a = 100 - 4 - 2
    copied = a // 2 - 2
    b = copied // 3 - 4
    up, last = 3 * b, 2 * (3 * b - 2)
    answers = [a, b, (copied - up) // 2, (a - last) // 2, last - 4, 100 + 2 * 3, 12, 217 * 12, 108 * 12]
    return answers["abcdefghi".index(question)]


@add(PREDICTED, "right")
def numpy_numbers(question):
    return np.array(list(RIGHT.values()))[list(RIGHT).index(question)]


def predicts(kind, named="", **changes):
    """A prediction that differs from the right one in these answers."""

    def put(name):
        answers = RIGHT | changes

        def function(question):
            return answers[question]

        function.__name__ = name
        add(PREDICTED, kind, named)(function)

    return put


predicts("misreading", "convolutions keep the size", a=100, b=16, c=1, d=2, e=96)("all_padded")
predicts("misreading", "at one side only", a=97, b=13, c=4, d=9, e=74)("one_side")
predicts("misreading", "the 5 × 5 ones too", a=96, b=11, c=6, d=17, e=60)("all_kernels_3")
predicts("misreading", "every pooling halves", b=18, c=-5, d=-5, e=100)("halves")
predicts("misreading", "every up-convolution doubles", c=11, d=27, e=36)("doubles")
predicts("misreading", "cut at each side", c=12, d=32)("cut_in_all")
predicts("misreading", "nothing is cropped", c=0, d=0)("no_crop")
predicts("misreading", "keeps the number of channels", g=6, h=1308, i=0)("added")
predicts("misreading", "every even size", f=102)("even")
predicts("misreading", "taken for halvings", f=104)("multiples_of_4")
predicts("misreading", "lie twice as far apart", f=112)("step_12")
predicts("misreading", "biases are forgotten", h=2592)("no_biases")
predicts("off by one", "smallest case", b=12)("one_row_off")
predicts("misreading", "cut at each side (question c)", c=12)("whole_surplus_in_c")
predicts("misreading", "cut at each side (question d)", d=32)("whole_surplus_in_d")
predicts("misreading", "keeps the number of channels (question h)", h=1308)("half_read")
predicts("misreading", "counted among what is saved (question i)", i=1308)("biases_saved")
predicts("broken", "not float (94.0)", a=94.0)("a_float")
predicts("broken", "not str ('11')", b="11")("a_text")
predicts("hard-coded", "returns the same result", **dict.fromkeys(RIGHT, 94))("always_94")


@add(PREDICTED, "broken", "KeyError")
def only_the_first(question):
    return {"a": 94}[question]


@add(PREDICTED, "unsolved", "still raises")
def predicted_unsolved(question):
    raise NotImplementedError()


# --- legal_input_sizes ------------------------------------------------------------------------------------

LEGAL = "legal_input_sizes"


def takes(size, depth, padding, left=True):
    lost = 0 if padding else 4
    for _ in range(depth):
        size -= lost
        if size <= 0 or size % 2:
            return False
        size //= 2
    size -= lost
    for _ in range(depth if left else 0):
        size = 2 * size - lost
    return size > 0


@add(LEGAL, "right")
def tried(depth, padding=0, smallest=1, largest=600):
    return [size for size in range(smallest, largest + 1) if takes(size, depth, padding)]


@add(LEGAL, "right")
def from_the_bottom(depth, padding=0, smallest=1, largest=600):
    sizes, b = [], 1
    while True:
        size = b
        for _ in range(depth):
            size = 2 * size + (0 if padding else 4)
        if size > largest:
            return sizes
        scores = b - (0 if padding else 4)
        for _ in range(depth):
            scores = 2 * scores - (0 if padding else 4)
        if size >= smallest and scores > 0:
            sizes.append(size)
        b += 1


@add(LEGAL, "right")
def closed_form(depth, padding=0, smallest=1, largest=600):
    step = 2**depth
    offset = 0 if padding else 4 * (step - 1)
    least = step if padding else 12 * step - 8 + 1
    first = max(smallest, least)
    first += (offset - first) % step
    return list(range(first, largest + 1, step))


@add(LEGAL, "right")
def a_range(depth, padding=0, smallest=1, largest=600):
    sizes = closed_form(depth, padding, smallest, largest)
    return range(sizes[0], sizes[-1] + 1, 2**depth) if sizes else ()


@add(LEGAL, "right")
def by_numpy(depth, padding=0, smallest=1, largest=600):
    sizes = np.arange(smallest, largest + 1)
    return [np.int64(size) for size in sizes if takes(int(size), depth, padding)]


@add(LEGAL, "misreading", "smallest output is not looked at")
def nothing_left(depth, padding=0, smallest=1, largest=600):
    lost = 0 if padding else 4

    def passes(size):
        for _ in range(depth):
            if (size - lost) % 2 or size <= lost:
                return False
            size = (size - lost) // 2
        return size > lost

    return [size for size in range(smallest, largest + 1) if passes(size)]


@add(LEGAL, "off by one", "the largest size is left out")
def without_the_largest(depth, padding=0, smallest=1, largest=600):
    return [size for size in range(smallest, largest) if takes(size, depth, padding)]


@add(LEGAL, "off by one", "the smallest size is left out")
def without_the_smallest(depth, padding=0, smallest=1, largest=600):
    return [size for size in range(smallest + 1, largest + 1) if takes(size, depth, padding)]


@add(LEGAL, "misreading", "sizes below the smallest")
def from_one(depth, padding=0, smallest=1, largest=600):
    return [size for size in range(1, largest + 1) if takes(size, depth, padding)]


@add(LEGAL, "misreading", "whatever the padding")
def multiples(depth, padding=0, smallest=1, largest=600):
    return [size for size in range(smallest, largest + 1) if size % 2**depth == 0]


@add(LEGAL, "misreading", "ignored and the convolutions are valid")
def always_valid(depth, padding=0, smallest=1, largest=600):
    return tried(depth, 0, smallest, largest)


@add(LEGAL, "misreading", "every even size")
def all_even(depth, padding=0, smallest=1, largest=600):
    return [size for size in range(smallest, largest + 1) if size % 2 == 0]


@add(LEGAL, "off by one", "one pooling too many")
def one_level_more(depth, padding=0, smallest=1, largest=600):
    return tried(depth + 1, padding, smallest, largest)


@add(LEGAL, "off by one", "last pooling is not looked at")
def one_level_less(depth, padding=0, smallest=1, largest=600):
    lost = 0 if padding else 4

    def passes(size):
        for _ in range(depth - 1):
            size -= lost
            if size < 2 or size % 2:
                return False
            size //= 2
        return True

    return [size for size in range(smallest, largest + 1) if passes(size)]


@add(LEGAL, "misreading", "one convolution instead of two")
def two_rows_a_level(depth, padding=0, smallest=1, largest=600):
    def passes(size):
        lost = 0 if padding else 2
        for _ in range(depth):
            size -= lost
            if size < 2 or size % 2:
                return False
            size //= 2
        size -= lost
        for _ in range(depth):
            size = 2 * size - lost
        return size > 0

    return [size for size in range(smallest, largest + 1) if passes(size)]


@add(LEGAL, "misreading", "no map is asked whether it has any rows left")
def parity_alone(depth, padding=0, smallest=1, largest=600):
    def passes(size):
        for _ in range(depth):
            size -= 0 if padding else 4
            if size % 2:
                return False
            size //= 2
        return True

    return [size for size in range(smallest, largest + 1) if passes(size)]


@add(LEGAL, "off by one", "scores without any rows")
def nothing_is_enough(depth, padding=0, smallest=1, largest=600):
    def passes(size):
        lost = 0 if padding else 4
        for _ in range(depth):
            size -= lost
            if size < 0 or size % 2:
                return False
            size //= 2
        size -= lost
        for _ in range(depth):
            size = 2 * size - lost
        return size >= 0

    return [size for size in range(smallest, largest + 1) if passes(size)]


@add(LEGAL, "misreading", "the bottom's two convolutions are forgotten")
def without_the_bottom(depth, padding=0, smallest=1, largest=600):
    def passes(size):
        lost = 0 if padding else 4
        for _ in range(depth):
            size -= lost
            if size <= 0 or size % 2:
                return False
            size //= 2
        for _ in range(depth):
            size = 2 * size - lost
        return size > 0

    return [size for size in range(smallest, largest + 1) if passes(size)]


@add(LEGAL, "misreading", "only the last pooling is asked")
def last_pooling_alone(depth, padding=0, smallest=1, largest=600):
    def passes(size):
        lost = 0 if padding else 4
        for level in range(depth):
            size -= lost
            if size <= 0 or (level == depth - 1 and size % 2):
                return False
            size //= 2
        size -= lost
        for _ in range(depth):
            size = 2 * size - lost
        return size > 0

    return [size for size in range(smallest, largest + 1) if passes(size)]


@add(LEGAL, "misreading", "in descending order")
def largest_first(depth, padding=0, smallest=1, largest=600):
    return tried(depth, padding, smallest, largest)[::-1]


@add(LEGAL, "right")
def as_a_tuple(depth, padding=0, smallest=1, largest=600):
    return tuple(tried(depth, padding, smallest, largest))


@add(LEGAL, "broken", "not set")
def as_a_set(depth, padding=0, smallest=1, largest=600):
    return set(tried(depth, padding, smallest, largest))


@add(LEGAL, "broken", "whole numbers are expected in the list, not 2.0")
def as_floats(depth, padding=0, smallest=1, largest=600):
    return [float(size) for size in tried(depth, padding, smallest, largest)]


@add(LEGAL, "broken", "a list of whole numbers")
def how_many(depth, padding=0, smallest=1, largest=600):
    return len(tried(depth, padding, smallest, largest))


@add(LEGAL, "hard-coded")
def the_paper_only(depth, padding=0, smallest=1, largest=600):
    return [16 * b + 60 for b in range(8, 40) if smallest <= 16 * b + 60 <= largest]


@add(LEGAL, "cheat", "pixelwise.UNet")
def asked_the_library(depth, padding=0, smallest=1, largest=600):
    return pixelwise.UNet(1, 1, 1, depth, padding).legal_input_sizes(smallest, largest)


@add(LEGAL, "unsolved", "still raises")
def legal_unsolved(depth, padding=0, smallest=1, largest=600):
    raise NotImplementedError()


# --- count_parameters -------------------------------------------------------------------------------------

COUNT = "count_parameters"


def weights(a, b, kernel=3):
    return (kernel * kernel * a + 1) * b


@add(COUNT, "right")
def level_by_level(in_channels, num_classes, base_channels=64, depth=4):
    total, before, here = weights(base_channels, num_classes, 1), in_channels, base_channels
    for _ in range(depth):
        total += weights(before, here) + weights(here, here)
        total += weights(2 * here, here, 2) + weights(2 * here, here) + weights(here, here)
        before, here = here, 2 * here
    return total + weights(before, here) + weights(here, here)


@add(COUNT, "right")
def by_shapes(in_channels, num_classes, base_channels=64, depth=4):
    widths = [base_channels * 2**level for level in range(depth + 1)]
    shapes = [(num_classes, base_channels)]
    shapes += [(b, a, 9) for a, b in zip([in_channels, *widths], widths, strict=False)]
    shapes += [(b, b, 9) for b in widths]
    shapes += [s for c in widths[:-1] for s in ((2 * c, c, 4), (c, 2 * c, 9), (c, c, 9))]
    biases = num_classes + 2 * sum(widths) + 3 * sum(widths[:-1])
    return int(sum(np.prod(shape) for shape in shapes)) + biases


@add(COUNT, "right")
def recursion(in_channels, num_classes, base_channels=64, depth=4):
    def below(a, c, d):
        pair = weights(a, c) + weights(c, c)
        return pair + (
            below(c, 2 * c, d - 1) + weights(2 * c, c, 2) + weights(2 * c, c) + weights(c, c) if d else 0
        )

    return below(in_channels, base_channels, depth) + num_classes * (base_channels + 1)


@add(COUNT, "right")
def geometric_series(in_channels, num_classes, base_channels=64, depth=4):
    c, squares, ones = base_channels, (4**depth - 1) // 3, 2**depth - 1
    levels = (18 + 9 + 4 * 2 + 9) * c * c * squares + 5 * c * ones
    first = 9 * in_channels * c
    down = 9 * c * c * (squares - 1) // 2 - 0 if depth else 0
    down = sum(9 * (c * 2**i) * (c * 2 ** (i + 1)) for i in range(depth))
    bottom = 9 * (c * 2**depth) ** 2 + 2 * c * 2**depth
    return levels + first + down + bottom + num_classes * (c + 1)


def changed(kind, named, name, change):
    """An answer that is wrong by `change(in_channels, num_classes, c, depth)`."""

    def count(in_channels, num_classes, base_channels=64, depth=4):
        right = level_by_level(in_channels, num_classes, base_channels, depth)
        return right + change(in_channels, num_classes, base_channels, depth)

    count.__name__ = name
    add(COUNT, kind, named)(count)


def over_levels(change):
    return lambda i, k, c, d: sum(change(c * 2**level) for level in range(d))


def count_biases(in_channels, num_classes, c, depth):
    return num_classes + 5 * c * (2**depth - 1) + 2 * c * 2**depth


changed("misreading", "biases are forgotten", "no_bias_at_all", lambda *a: -count_biases(*a))
changed("misreading", "read half of the channels", "join_forgotten", over_levels(lambda c: -9 * c * c))
changed("misreading", "up-convolutions are forgotten", "no_up", over_levels(lambda c: -(8 * c * c + c)))
changed("misreading", "3 × 3 kernel", "up_3", over_levels(lambda c: 10 * c * c))
changed(
    "misreading",
    "the bottom is forgotten",
    "no_bottom",
    lambda i, k, c, d: -weights(c * 2 ** (d - 1), c * 2**d) - weights(c * 2**d, c * 2**d),
)
changed("misreading", "head is forgotten", "no_head", lambda i, k, c, d: -k * (c + 1))
changed("misreading", "biases of the head", "head_bias", lambda i, k, c, d: -k)
changed("misreading", "head has a 3 × 3 kernel", "head_3", lambda i, k, c, d: 8 * k * c)
changed("misreading", "up-convolutions keep the number", "up_keeps", over_levels(lambda c: 8 * c * c + c))
changed("misreading", "to have one channel", "grey", lambda i, k, c, d: -9 * (i - 1) * c)


@add(COUNT, "misreading", "counted as 3 weights")
def kernels_not_squared(in_channels, num_classes, base_channels=64, depth=4):
    def layer(kernel, a, b):
        return kernel * a * b + b

    total, before, here = layer(1, base_channels, num_classes), in_channels, base_channels
    for _ in range(depth):
        total += layer(3, before, here) + layer(3, here, here) + layer(2, 2 * here, here)
        total += layer(3, 2 * here, here) + layer(3, here, here)
        before, here = here, 2 * here
    return total + layer(3, before, here) + layer(3, here, here)


@add(COUNT, "off by one", "a level too many")
def one_level_deeper(in_channels, num_classes, base_channels=64, depth=4):
    return level_by_level(in_channels, num_classes, base_channels, depth + 1)


@add(COUNT, "misreading", "one convolution instead of two")
def one_convolution(in_channels, num_classes, base_channels=64, depth=4):
    total, before, here = weights(base_channels, num_classes, 1), in_channels, base_channels
    for _ in range(depth):
        total += weights(before, here) + weights(2 * here, here, 2) + weights(2 * here, here)
        before, here = here, 2 * here
    return total + weights(before, here)


@add(COUNT, "misreading", "not doubled")
def constant_channels(in_channels, num_classes, base_channels=64, depth=4):
    c = base_channels
    level = 2 * weights(c, c) + weights(c, c, 2) + weights(2 * c, c)
    return (
        weights(in_channels, c) + weights(c, c) + depth * (level + weights(c, c)) + weights(c, num_classes, 1)
    )


@add(COUNT, "hard-coded")
def the_papers(in_channels, num_classes, base_channels=64, depth=4):
    return 31030658


@add(COUNT, "broken", "whole number")
def in_millions(in_channels, num_classes, base_channels=64, depth=4):
    return level_by_level(in_channels, num_classes, base_channels, depth) / 1


@add(COUNT, "cheat", "pixelwise.UNet")
def counted_by_the_library(in_channels, num_classes, base_channels=64, depth=4):
    return pixelwise.UNet(in_channels, num_classes, base_channels, depth).parameter_count()["total"]


@add(COUNT, "cheat", "does not allow")
def built_and_counted(in_channels, num_classes, base_channels=64, depth=4):
    with torch.device("meta"):
        net = Net(in_channels, num_classes, base_channels, depth)
    return sum(map(operator.methodcaller("numel"), net.parameters()))


@add(COUNT, "unsolved", "still raises")
def count_unsolved(in_channels, num_classes, base_channels=64, depth=4):
    raise NotImplementedError()


# --- MendedUpBlock ----------------------------------------------------------------------------------------

MENDED = "MendedUpBlock"


class Mended(nn.Module):
    """The given block, mended in three places; the answers below leave some of them."""

    def __init__(self, in_channels, copied_channels, out_channels):
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        self.first = nn.Conv2d(copied_channels + out_channels, out_channels, 3, padding=1)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1)

    def crop(self, copied, height, width):
        return slices(copied, height, width)

    def join(self, copied, x):
        return torch.cat([copied, x], dim=1)

    def forward(self, x, copied):
        x = self.up(x)
        joined = self.join(self.crop(copied, *x.shape[2:]), x)
        return torch.relu(self.second(torch.relu(self.first(joined))))


@add(MENDED, "right")
class MendedByCat(Mended):
    pass


@add(MENDED, "right")
class MendedInPlace(Mended):
    def join(self, copied, x):
        joined = x.new_empty(len(x), copied.shape[1] + x.shape[1], *x.shape[2:])
        joined[:, : copied.shape[1]] = copied
        joined[:, copied.shape[1] :] = x
        return joined


@add(MENDED, "right")
class MendedWithDtype(Mended):
    def join(self, copied, x):
        shape = len(x), copied.shape[1] + x.shape[1], *x.shape[2:]
        joined = torch.empty(shape, dtype=x.dtype, device=x.device)
        joined[:, : copied.shape[1]] = copied
        joined[:, copied.shape[1] :] = x
        return joined


@add(MENDED, "right")
class MendedFromScratch(Mended):
    def __init__(self, in_channels, copied_channels, out_channels):
        nn.Module.__init__(self)
        self.pair = InSequence(copied_channels + out_channels, out_channels, 1)
        self.up = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)

    def forward(self, x, copied):
        x = self.up(x)
        return self.pair(self.join(negative_padding(copied, *x.shape[2:]), x))


class WithRowsForBoth(Mended):
    def crop(self, copied, height, width):
        return rows_for_both(copied, height, width)


class WithoutDtype(Mended):
    def join(self, copied, x):
        joined = torch.empty(len(x), copied.shape[1] + x.shape[1], *x.shape[2:])
        joined[:, : copied.shape[1]] = copied
        joined[:, copied.shape[1] :] = x
        return joined


class Detached(Mended):
    def join(self, copied, x):
        return super().join(copied.detach(), x)


@add(MENDED, "unsolved", "still raises")
class MendedUnsolved(nn.Module):
    def __init__(self, in_channels, copied_channels, out_channels):
        super().__init__()
        raise NotImplementedError()


@add(MENDED, "misreading", "columns are cropped by what belongs to rows")
class ShiftLeft(WithRowsForBoth):
    pass


@add(MENDED, "misreading", "should be the same")
class DtypeLeft(WithoutDtype):
    pass


@add(MENDED, "broken", "rounded to float32")
class CopyInFloat32(Mended):
    def crop(self, copied, height, width):
        return slices(copied.float(), height, width)


@add(MENDED, "misreading", "no gradient back to `copied`")
class DetachLeft(Detached):
    pass


@add(MENDED, "misreading", "no gradient back to `copied`")
class AsGiven(WithRowsForBoth, Detached, WithoutDtype):
    """The given block, with nothing mended."""


@add(MENDED, "misreading", "top left corner")
class TopLeft(Mended):
    def crop(self, copied, height, width):
        return copied[:, :, :height, :width]


@add(MENDED, "misreading", "joined behind the others")
class OrderTurned(Mended):
    def join(self, copied, x):
        return torch.cat([x, copied], dim=1)


@add(MENDED, "misreading", "no ReLU follows the second")
class LostReLU(Mended):
    def forward(self, x, copied):
        x = self.up(x)
        return self.second(torch.relu(self.first(self.join(self.crop(copied, *x.shape[2:]), x))))


@add(MENDED, "axis swap", "rows and columns of the result")
class MendedTransposed(Mended):
    def forward(self, x, copied):
        return super().forward(x, copied).mT
