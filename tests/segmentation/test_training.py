"""The training loop learns, goes on after a kill, and stops where it has to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pixelwise.augmentation import Augmentation
from pixelwise.losses import dice_loss, weighted_cross_entropy
from pixelwise.training import (
    Batches,
    History,
    TrainingDivergedError,
    evaluate,
    load_best,
    mixed_precision_dtype,
    train,
)
from pixelwise.unet import UNet

QUIET = {"progress": False, "mixed_precision": False}


def shapes(count: int, size: int = 24) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """A bright square (1) and a bright bar (2) in noise, a row of void."""
    generator = torch.Generator().manual_seed(3)
    examples = []
    for _ in range(count):
        class_map = torch.zeros(size, size, dtype=torch.int64)
        top, left = torch.randint(2, size - 12, (2,), generator=generator).tolist()
        class_map[top : top + 9, left : left + 9] = 1
        class_map[:, -3:] = 2
        image = 0.6 * (class_map > 0).float() + 0.3 * torch.rand(size, size, generator=generator)
        class_map[0] = 255
        examples.append((image[None], class_map))
    return examples


def small_net(seed: int = 0, **options) -> UNet:
    torch.manual_seed(seed)
    return UNet(1, 3, base_channels=8, depth=2, **{"padding": 1, "norm": "batch", **options})


def test_it_learns_four_images_by_heart(device):
    examples, net = shapes(4), small_net()
    history = train(net, examples, steps=60, batch_size=4, device=device, validation=examples, **QUIET)
    assert history.column("loss")[-1] < 0.3 * history.column("loss")[0]
    assert history.column("mean_iou") == [pytest.approx(1, abs=0.05)]
    assert len(history.rows) == 60


def test_mixed_precision_learns_too(device):
    examples, net = shapes(4), small_net()
    train(net, examples, steps=60, batch_size=4, device=device, mixed_precision=True, progress=False)
    assert evaluate(net, examples).mean_iou() > 0.9
    assert all(p.dtype == torch.float32 for p in net.parameters())


def test_a_network_without_padding_learns_to_the_border():
    """With mirrored borders its centre reaches every position."""
    examples, net = shapes(4), small_net(padding=0)
    augment = Augmentation(mirror=net.margin, flip=False)  # 24 + 2 · 20 = 64 … and 60 or 64 is legal
    assert net.output_size(64) == (24, 24)
    train(net, examples, steps=80, batch_size=4, device="cpu", augment=augment, **QUIET)
    assert evaluate(net, examples).mean_iou() > 0.9


def test_any_loss_will_do():
    def loss(scores, target):
        entropy = weighted_cross_entropy(scores, target, ignore_index=255, reduction="mean")
        return entropy + dice_loss(scores, target, ignore_index=255)

    examples, net = shapes(4), small_net()
    history = train(net, examples, steps=40, batch_size=4, device="cpu", loss=loss, **QUIET)
    assert history.column("loss")[-1] < 0.5 * history.column("loss")[0]


def test_the_seed_decides():
    def losses(seed):
        augment = Augmentation(crop=16, noise=0.1)
        return train(
            small_net(), shapes(6), steps=6, batch_size=4, seed=seed, augment=augment, device="cpu", **QUIET
        ).column("loss")

    assert losses(0) == losses(0)
    assert losses(0) != losses(1)


def test_the_steps_are_those_of_adamw():
    """Five steps written out: no gradient is left over, nothing is scaled or averaged twice."""
    examples, net, by_hand = shapes(4), small_net(), small_net()
    train(net, examples, steps=5, batch_size=2, learning_rate=0.01, device="cpu", **QUIET)

    by_hand.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(by_hand.parameters(), lr=0.01, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=6)
    order = Batches(4, 2, torch.Generator().manual_seed(0))
    for _ in range(5):
        images, target = (
            torch.stack(part) for part in zip(*(examples[i] for i in order.next()), strict=True)
        )
        scores = by_hand(images.contiguous(memory_format=torch.channels_last))
        loss = torch.nn.functional.cross_entropy(scores, target, ignore_index=255)
        gradients = torch.autograd.grad(loss, list(by_hand.parameters()))
        for p, gradient in zip(by_hand.parameters(), gradients, strict=True):
            p.grad = gradient
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        images = torch.stack([image for image, _ in examples])
        torch.testing.assert_close(net.train()(images), by_hand.train()(images), atol=1e-3, rtol=1e-3)


def test_the_learning_rate_is_one_cycle():
    history = train(small_net(), shapes(2), steps=20, batch_size=2, learning_rate=0.01, device="cpu", **QUIET)
    rates = history.column("learning_rate")
    peak = rates.index(max(rates))
    assert rates[peak] == pytest.approx(0.01, rel=0.02) and 3 <= peak <= 9
    assert rates[:peak] == sorted(rates[:peak]) and rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] < 0.001


def test_every_example_comes_once_a_round():
    batches = Batches(7, 3, torch.Generator().manual_seed(0))
    drawn = [i for _ in range(14) for i in batches.next()]
    rounds = [drawn[k : k + 7] for k in range(0, 42, 7)]
    assert all(sorted(r) == list(range(7)) for r in rounds)
    assert rounds[0] != rounds[1]


def run(folder: Path, killed_at: int | None = None) -> tuple[list, list]:
    """Forty steps with everything in them that could lose its place; rows of the history and weights.

    `killed_at`: the example, counted over all batches, at which this process kills itself.
    """
    augment, seen = Augmentation(crop=16, noise=0.1, elastic=1), []

    def augment_until_killed(image, class_map, generator):
        seen.append(1)
        if len(seen) == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return augment(image, class_map, generator)

    torch.set_num_threads(1)
    net = small_net()
    history = train(
        net,
        shapes(6),
        steps=40,
        batch_size=4,
        augment=augment_until_killed,
        folder=folder,
        save_every=3,
        evaluate_every=10,
        validation=shapes(2),
        device="cpu",
        **QUIET,
    )
    return history.rows, [p.detach().clone() for p in net.parameters()]


def test_killed_and_started_again_the_curve_is_the_same(tmp_path):
    """Killed in the middle of step 19; the checkpoint is that of 18 steps, 72 examples: mid-round."""
    script = f"import sys; from test_training import run; run({str(tmp_path / 'b')!r}, killed_at=19 * 4 + 3)"
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parents[1])])
    killed = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path})
    assert killed.returncode == -signal.SIGKILL
    assert len(torch.load(tmp_path / "b" / "last.pt", weights_only=True)["rows"]) == 18

    rows, weights = run(tmp_path / "b")
    expected_rows, expected_weights = run(tmp_path / "a")
    assert rows == expected_rows  # losses, learning rates and mean IoU, to the bit
    assert all(a.equal(b) for a, b in zip(weights, expected_weights, strict=True))


def test_a_finished_run_is_not_repeated(tmp_path):
    options = {"steps": 5, "batch_size": 2, "folder": tmp_path, "device": "cpu", **QUIET}
    first = train(small_net(), shapes(2), **options)
    net = small_net(seed=1)
    assert train(net, shapes(2), **options).rows == first.rows
    with pytest.raises(ValueError, match=r"batch_size=2 \(now 1\).*another folder"):
        train(small_net(), shapes(2), **{**options, "batch_size": 1})
    with pytest.raises(ValueError, match="holds another network"):
        train(UNet(1, 3, 4, 1, padding=1), shapes(2), **options)


def test_a_checkpoint_is_data_alone(tmp_path):
    """weights_only: a file that would run code when it is unpickled is refused."""

    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "trapped",))

    torch.save({"settings": Trap()}, tmp_path / "last.pt")
    with pytest.raises(Exception, match="weights_only"):
        train(small_net(), shapes(2), steps=2, folder=tmp_path, device="cpu", **QUIET)
    assert not (tmp_path / "trapped").exists()


def test_the_best_is_kept(tmp_path):
    """The last step is made the worst: a learning rate that throws the weights away at the end."""
    examples, net = shapes(4), small_net()
    history = train(
        net, examples, steps=40, batch_size=4, validation=examples, evaluate_every=5, folder=tmp_path,
        device="cpu", **QUIET,
    )  # fmt: skip
    best = max(history.column("mean_iou"))
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()
    assert evaluate(net, examples).mean_iou() < best
    load_best(net, tmp_path)
    assert evaluate(net, examples).mean_iou() == best


def test_a_worse_network_does_not_replace_the_best(tmp_path):
    examples, net = shapes(4), small_net()
    fooled = [(image, 2 - class_map.clamp(max=2)) for image, class_map in examples]
    turns = iter([examples, fooled])

    class Validation(list):  # the second evaluation sees other labels, so that its mean IoU drops
        def __iter__(self):
            return iter(next(turns))

    history = train(
        net, examples, steps=40, batch_size=4, validation=Validation(), evaluate_every=20, folder=tmp_path,
        device="cpu", **QUIET,
    )  # fmt: skip
    first, second = history.column("mean_iou")
    assert second < first
    load_best(net, tmp_path)
    assert evaluate(net, examples).mean_iou() == first


def test_nan_in_an_image_stops_with_step_and_batch():
    examples = shapes(8)
    examples[5][0][0, 3, 3] = float("nan")
    with pytest.raises(
        TrainingDivergedError, match=r"step \d+: the scores are NaN.*examples \[.*5.*\]"
    ) as stop:
        train(small_net(), examples, steps=20, batch_size=2, device="cpu", **QUIET)
    assert 5 in stop.value.indices and len(stop.value.indices) == 2
    order = Batches(8, 2, torch.Generator().manual_seed(0))
    assert [order.next() for _ in range(stop.value.step + 1)][-1] == stop.value.indices


def test_an_infinite_loss_stops():
    calls = []

    def loss(scores, target):
        calls.append(1)
        return scores.square().mean() / (0 if len(calls) == 4 else 1)

    with pytest.raises(TrainingDivergedError, match="step 3: the loss is NaN or infinite"):
        train(small_net(), shapes(4), steps=9, batch_size=2, loss=loss, device="cpu", **QUIET)


def test_an_infinite_gradient_stops_before_the_weights_are_spoilt():
    def loss(scores, target):  # 0, with the gradient of a square root at 0
        return (scores - scores.detach()).abs().sum().sqrt()

    net = small_net()
    with pytest.raises(TrainingDivergedError, match="step 0: the gradient is NaN or infinite"):
        train(net, shapes(4), steps=9, batch_size=2, loss=loss, device="cpu", **QUIET)
    assert all(p.isfinite().all() for p in net.parameters())


def test_images_of_different_sizes_are_cropped():
    examples = [*shapes(2, 24), *shapes(2, 32)]
    with pytest.raises(ValueError, match=r"differ in size.*crop"):
        train(small_net(), examples, steps=4, batch_size=4, device="cpu", **QUIET)
    augment = Augmentation(crop=16)
    assert train(small_net(), examples, steps=2, batch_size=4, device="cpu", augment=augment, **QUIET).rows
    assert evaluate(small_net(), examples).counts.sum() == 2 * (23 * 24 + 31 * 32)


def test_the_history_is_a_table(tmp_path):
    rows = [{"step": s, "loss": 1 / (s + 1), "learning_rate": 0.1} for s in range(3)]
    rows[2]["mean_iou"] = 0.5
    history = History(rows)
    assert str(history).splitlines()[-1].split() == ["2", "0.3333", "1.00e-01", "0.500"]
    history.save(tmp_path / "history.csv")
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[0] == "step,loss,learning_rate,mean_iou" and lines[1] == "0,1.0,0.1,"


def test_where_mixed_precision_pays():
    assert mixed_precision_dtype(torch.device("cpu")) in (None, torch.bfloat16)
    assert mixed_precision_dtype(torch.device("mps")) is None
