"""What crosses the wall of the sandbox: data as it was, and nothing else."""

import json
import socket
import threading
import time

import numpy as np
import pytest
import torch

from autograder.sandbox.inside import wire
from autograder.sandbox.inside.wire import Malformed, TooLarge, pack, unpack
from pixelwise.checks.case import Case
from pixelwise.checks.compare import difference
from pixelwise.checks.observe import Observation, observe


def across(value):
    return unpack(pack(value))


@pytest.mark.parametrize(
    "value",
    [None, True, 5, -3.5, float("inf"), "text", [1, [2, "x"]], (1, (2,)), {"a": 1, 2: (3,)}, torch.float64],
    ids=str,
)
def test_plain_values_stay_what_they_are(value):
    result = across(value)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3, 4)], ids=str)
def test_tensors_stay_what_they_are(dtype, shape):
    value = (10 * torch.randn(shape)).to(dtype)
    result = across(value)
    assert result.dtype == dtype
    assert torch.equal(result, value)


def test_views_gradients_and_devices():
    value = torch.arange(12.0).reshape(3, 4).T.requires_grad_()
    assert torch.equal(across(value), value.detach())
    assert not across(value).requires_grad
    assert across(torch.empty(2, 10**9, device="meta")).shape == (2, 10**9)
    assert across(torch.eye(3).to_sparse()).layout == torch.sparse_coo


def test_records_cross():
    case = across(Case({"x": torch.ones(2)}, {"stride": 2}, "about", True))
    assert isinstance(case, Case)
    assert case.settings == {"stride": 2}
    seen = observe(lambda x, stride: x * stride, case)
    assert difference(across(seen), seen) is None


def test_whole_numbers_of_other_kinds_are_whole_numbers():
    assert across(np.int64(5)) == 5
    assert type(across(np.int64(5))) is int


def test_other_objects_are_named_in_messages():
    found = difference(across(Observation(value=np.ones(3))), Observation(value=torch.ones(3)))
    assert "numpy.ndarray" in found.text


def test_a_subclass_of_tensor_loses_its_class():
    class Liar(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            raise AssertionError("nothing of it may be called")

    assert type(across(torch.ones(2).as_subclass(Liar))) is torch.Tensor


@pytest.mark.parametrize(
    "value",
    [torch.zeros(1).expand(10**6, 10**6), [0] * (wire.MAX_VALUES + 1)],
    ids=["tensor", "list"],
)
def test_what_is_too_large_is_said_to_be(value):
    with pytest.raises(TooLarge, match="too large"):
        pack(value)


def test_what_contains_itself_is_too_large():
    value = []
    value.append(value)
    with pytest.raises(TooLarge):
        pack(value)


def record(module: str, name: str, **fields: object) -> list[bytes]:
    return [json.dumps({"record": [module, name, fields]}).encode()]


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"{"],
        [b"[" * 100_000],
        [b'{"tensor": ["float32", [2], 0]}', b"short"],
        [b'{"tensor": ["float32", [-1], 0]}', b""],
        [b'{"tensor": ["float32", [1099511627775, 1099511627775], 0]}', b""],
        [b'{"tensor": ["float32", [2], 7]}'],
        [b'{"tensor": ["object", [2], 0]}', b"12345678"],
        [b'[{"tensor": ["float32", [2], 0]}, {"tensor": ["float32", [2], 0]}]', b"12345678"],
        [b"[" + b"0," * wire.MAX_DESCRIPTION + b"0]"],
        [b'{"unknown": 1}'],
        [b'{"list": 1, "tuple": 2}'],
        record("os", "system", command="true"),
        record("pixelwise.checks.check", "Check"),
        record("pixelwise.checks.observe", "observe"),
        record("pixelwise.checks.observe", "Path"),
        record("pixelwise.checks.observe", "Observation", unknown=1),
    ],
    ids=lambda parts: str(parts)[:60],
)
def test_what_pack_does_not_make_is_refused(parts):
    with pytest.raises(Malformed):
        unpack(parts)


# --- The line ---------------------------------------------------------------------------------------------


@pytest.fixture
def line():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("value", [[], ["x" * 1000, torch.arange(1_000_000)], [torch.ones(2)] * 500], ids=len)
def test_what_is_sent_arrives(line, value):
    parts = pack(value)
    sender = threading.Thread(target=wire.send, args=(line[0], parts))
    sender.start()
    assert wire.receive(line[1]) == parts
    sender.join()


@pytest.mark.parametrize("count", [0, 20], ids=["nothing", "a byte at a time"])
def test_the_deadline_is_for_all_of_it(line, count):
    def drip():
        for _ in range(count):
            line[0].send(b"x")
            time.sleep(0.05)

    dripping = threading.Thread(target=drip)
    line[0].sendall((2).to_bytes(8, "little") + (100).to_bytes(8, "little") * 2)
    dripping.start()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        wire.receive(line[1], began + 0.3)
    assert time.monotonic() - began < 1
    dripping.join()


def test_nobody_who_takes_it(line):
    with pytest.raises(TimeoutError):
        wire.send(line[0], [bytes(50 << 20)], time.monotonic() + 0.1)


@pytest.mark.parametrize(
    "said",
    [b"", b"\0" * 8, b"\xff" * 8, (1).to_bytes(8, "little") + b"\xff" * 8, b"\1"],
    ids=["nothing", "no parts", "too many", "too long", "half a number"],
)
def test_a_line_that_ends_or_says_nonsense_is_closed(line, said):
    line[0].sendall(said)
    line[0].close()
    with pytest.raises(wire.Closed):
        wire.receive(line[1])
