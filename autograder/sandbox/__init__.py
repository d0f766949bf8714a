"""Where students' code runs: `outside.py` starts it and asks for kernels, `inside/` is what runs in it."""
