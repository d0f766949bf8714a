"""What can be wrong with data, by name. Each message says what was found, where, and what to do about it."""

from __future__ import annotations


class DataError(ValueError):
    """Something is wrong with a data set. All errors below are of this kind."""


class MissingFiles(DataError):
    """A folder is missing or half copied, or a file in it cannot be read."""


class WrongSize(DataError):
    """A shape is wrong, or image and class map do not belong together."""


class UnknownLabel(DataError):
    """A class map holds a number that is neither a class nor the ignore index."""


class NotFinite(DataError):
    """An image holds NaN or infinity."""


class WrongRange(DataError):
    """An image is not scaled to [0, 1], or was scaled twice."""


class EmptyMask(DataError):
    """A class map without anything to learn from: all void, or nothing but background."""


class DownloadError(DataError):
    """A download broke off, or what arrived is not what was published."""
