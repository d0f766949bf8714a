"""Devices to test on: the CPU always, CUDA where there is one (`pytest -m gpu` runs those alone)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "gpu: needs CUDA, skipped without")


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA on this machine")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, needs_cuda])])
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


@pytest.fixture(autouse=True)
def seeded_on_one_thread() -> Iterator[None]:
    """The same numbers in every order of the tests; one thread, as tests run side by side."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
