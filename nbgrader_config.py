"""nbgrader reads this file in the folder where it is started. The settings are in autograder/config.py."""

import sys
from pathlib import Path

root = Path(__file__).resolve().parent
sys.path.insert(0, str(root))

from autograder.config import configure  # noqa: E402

configure(get_config(), root)  # noqa: F821  (nbgrader provides it)
