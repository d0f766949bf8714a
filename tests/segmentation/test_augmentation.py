"""Images and class maps move together, and only the generator decides how."""

from __future__ import annotations

import pytest
import torch

from pixelwise.augmentation import Augmentation, elastic_deformation, extend, random_crop, random_flip, warp


@pytest.fixture
def example() -> tuple[torch.Tensor, torch.Tensor]:
    """An image that shows its own class map: class c is grey value c / 4, blobs of 8 pixels."""
    class_map = torch.tensor([0, 2, 4, 255])[torch.randint(4, (6, 8))]
    class_map = class_map.repeat_interleave(8, 0).repeat_interleave(8, 1)
    return torch.where(class_map == 255, 3, class_map)[None].float() / 4, class_map


def constant(down: float, right: float, height: int, width: int) -> torch.Tensor:
    return torch.tensor([down, right]).view(2, 1, 1).expand(2, height, width)


def test_no_displacement_is_the_identity(example):
    image, class_map = example
    warped, labels = warp(image, class_map, torch.zeros(2, 48, 64))
    torch.testing.assert_close(warped, image, atol=1e-5, rtol=0)
    assert labels.equal(class_map) and labels.dtype == torch.int64


def test_a_constant_displacement_is_a_shift():
    image, class_map = torch.rand(2, 9, 7), torch.randint(5, (9, 7))
    warped, labels = warp(image, class_map, constant(2, -1, 9, 7))
    torch.testing.assert_close(warped[:, :-2, 1:], image[:, 2:, :-1], atol=1e-5, rtol=0)
    assert labels[:-2, 1:].equal(class_map[2:, :-1])
    assert labels[:-2, 0].equal(class_map[2:, 1])  # mirrored: −1 is 1


def test_labels_are_taken_whole(example, generator):
    """No class appears that was not there: interpolation would put 1 between 0 and 2, and void into all."""
    image, class_map = example
    warped, labels = elastic_deformation(image, class_map, generator, sigma=6)
    assert set(labels.unique().tolist()) <= set(class_map.unique().tolist())
    assert (labels != class_map).float().mean() > 0.05
    assert warped.min() >= image.min() and warped.max() <= image.max()


def test_image_and_labels_move_alike(example, generator):
    """Away from edges, the image still shows the class map."""
    image, class_map = example
    warped, labels = elastic_deformation(image, class_map, generator, sigma=4)
    shown = torch.where(labels == 255, 3, labels).float() / 4
    agree = ((warped[0] - shown).abs() < 0.125).float().mean()
    assert agree > 0.9
    other = torch.where(class_map == 255, 3, class_map).float() / 4
    assert ((warped[0] - other).abs() < 0.125).float().mean() < agree - 0.03


def test_the_displacement_has_the_papers_grid():
    """At a grid point the displacement is the normal draw itself, with the s.d. that was asked for."""
    height, width, draws = 33, 33, 300
    ramp = torch.arange(height)[:, None].float().expand(height, width)
    moves = []
    for seed in range(draws):
        generator = torch.Generator().manual_seed(seed)
        image = torch.stack([ramp, ramp.T])  # an image of its own coordinates: warped, it shows where from
        warped, _ = elastic_deformation(image, torch.zeros(height, width).long(), generator, sigma=2)
        moves.append((warped - image)[:, 16, 16])  # the middle grid point, far from every border
        vectors = 2 * torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(seed))
        # torch's cubic (a = −0.75) is off by up to 0.05 on a ramp.
        torch.testing.assert_close(moves[-1], vectors[0, :, 1, 1], atol=0.06, rtol=0)
    assert torch.stack(moves).std().item() == pytest.approx(2, rel=0.15)


def test_the_same_generator_the_same_example(example):
    augment = Augmentation(
        mirror=3, crop=(20, 30), flip_vertical=True, elastic=3, light=0.2, noise=0.1, ignore_index=9
    )
    runs = [augment(*example, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert all(a.equal(b) for a, b in zip(runs[0], runs[1], strict=True))
    assert not runs[0][0].equal(runs[2][0])
    assert runs[0][0].shape == (1, 20, 30) and runs[0][1].shape == (20, 30)


def test_crops_keep_pairs_together_and_reach_every_corner(generator):
    numbers = torch.arange(5 * 6).view(5, 6)
    corners = set()
    for _ in range(200):
        image, class_map = random_crop(numbers[None].float(), numbers, generator, (3, 5))
        assert image[0].equal(class_map.float()) and image.shape == (1, 3, 5)
        corners.add(class_map[0, 0].item())
    assert corners == {0, 1, 6, 7, 12, 13}


@pytest.mark.parametrize("vertical", [False, True])
def test_flips_keep_pairs_together(generator, vertical):
    numbers = torch.arange(6).view(2, 3)
    flips = 0
    for _ in range(100):
        image, class_map = random_flip(numbers[None].float(), numbers, generator, vertical)
        assert image[0].equal(class_map.float())
        flips += not class_map.equal(numbers)
        assert class_map.equal(numbers) or class_map.equal(numbers.flip(0 if vertical else 1))
    assert 30 < flips < 70


def test_extended_images_are_mirrored_and_void():
    image, class_map = torch.arange(12.0).view(1, 3, 4), torch.ones(3, 4).long()
    wide, labels = extend(image, class_map, 2)
    torch.testing.assert_close(wide, torch.nn.functional.pad(image, (2, 2, 2, 2), mode="reflect"))
    assert (labels == 255).sum() == 7 * 8 - 12 and (labels[2:5, 2:6] == 1).all()
    # Farther than the image is wide: mirrors face each other.
    assert extend(image, class_map, 5)[0][0, 5].tolist() == [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2]


def test_noise_and_light_leave_labels_alone(example, generator):
    image, class_map = example
    noisy, labels = Augmentation(flip=False, noise=0.1, light=0.1)(image, class_map, generator)
    assert labels.equal(class_map)
    assert (noisy - image).std() > 0.05
