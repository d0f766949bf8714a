"""The trait that holds arrays: what it takes, and what it says about what it does not take."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from traitlets import HasTraits, TraitError

from pixelwise import widgets
from pixelwise.widgets.base import Array, Widget, styles


class Holder(HasTraits):
    planes = Array([[1, 2], [3, 4]], ndim=3, largest=(2, 3, 4))
    maybe = Array(ndim=2, largest=(3, 3), optional=True)


@pytest.mark.parametrize(
    "value",
    [
        [[5, 6, 7]],
        [[[5, 6, 7]]],
        ((5, 6, 7),),
        [5, 6, 7],
        np.array([[5, 6, 7]]),
        torch.tensor([[5, 6, 7]]),
        torch.tensor([[5.0, 6.0, 7.0]], requires_grad=True),
        [torch.tensor([5, 6, 7])],
        [[np.int64(5), np.float32(6), 7]],
    ],
)
def test_whatever_holds_numbers_is_taken(value):
    assert Holder(planes=value).planes == [[[5, 6, 7]]]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[1, 2], [3]], "Holder.planes has rows of different lengths"),
        ([[1, 2], 3], "rows of different lengths"),
        ([], "an empty dimension"),
        ([[]], "an empty dimension"),
        (None, "holds finite numbers, got None"),
        ([[1, float("nan")]], "holds finite numbers, got nan"),
        ([[1, float("inf")]], "holds finite numbers, got inf"),
        ([[1, "2"]], "holds finite numbers, got '2'"),
        ([[1, True]], "holds finite numbers, got True"),
        ("12", "holds finite numbers, got '12'"),
        (np.zeros((1, 1, 1, 1)), r"at most 3 dimensions, got shape \(1, 1, 1, 1\)"),
        (np.zeros((3, 5)), r"shows at most \(2, 3, 4\) numbers, got shape \(1, 3, 5\)"),
        (np.zeros((3, 1, 1)), r"got shape \(3, 1, 1\)"),
    ],
)
def test_what_is_not_an_array_is_refused_with_its_name(value, message):
    holder = Holder()
    with pytest.raises(TraitError, match=message):
        holder.planes = value
    assert holder.planes == [[[1, 2], [3, 4]]]


@pytest.mark.parametrize("nothing", [None, [], ()])
def test_an_optional_array_may_be_left_out(nothing):
    assert Holder(maybe=nothing).maybe == []
    with pytest.raises(TraitError, match="rows of different lengths"):
        Holder(maybe=[[1], [2, 3]])


def test_holders_do_not_share_their_default():
    one, other = Holder(), Holder()
    one.planes[0][0][0] = 99
    assert other.planes[0][0][0] == 1


def test_a_widget_whose_view_is_missing_cannot_be_defined():
    with pytest.raises(ValueError, match=r"no_such_view\.js does not exist"):
        type("Broken", (Widget,), {"view": "no_such_view.js"})


@pytest.mark.parametrize("name", widgets.__all__)
def test_every_widget_takes_a_name_for_links(name):
    trait = getattr(widgets, name).class_traits(sync=True)["name"]
    assert trait.default_value == "" and trait.validate(None, "here") == "here"


def test_a_widget_brings_the_common_look_and_its_own_styles_and_a_page_has_them_all():
    own = {view: f".pw-{view.replace('_', '-')} " for view in ("five_views", "checkerboard")}
    assert ".pw-table" in styles("five_views.js")
    assert own["five_views"] in styles("five_views.js")
    assert own["checkerboard"] not in styles("five_views.js")
    assert all(rule in styles() for rule in own.values())
