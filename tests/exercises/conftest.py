"""Set-up for the tests of problem sets."""

import pytest
import torch


def pytest_configure(config: pytest.Config) -> None:
    torch.set_num_threads(1)  # the cases are small: threads would only wait for each other
