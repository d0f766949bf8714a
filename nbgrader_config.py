"""nbgrader reads this file in the folder where it is started, and so does `python -m autograder`.

The course's settings are in autograder/config.py; what you set below them counts.
"""

import sys
from pathlib import Path

root = Path(__file__).resolve().parent
sys.path.insert(0, str(root))

from autograder.config import configure  # noqa: E402

c = get_config()  # noqa: F821  (nbgrader provides it)
configure(c, root)
