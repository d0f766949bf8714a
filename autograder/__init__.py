"""Grading: hidden cases, the oracle, the sandbox, graded cells outside it, and the command for a whole class.

Students never get this package. Nothing imports it but hidden test cells, `nbgrader_config.py`, benchmarks
and tests. Where to start reading: `runner.py` (a class), `worker.py` and `execute.py` (a submission),
`trusted.py` (a graded cell), `sandbox.py` (where the student's code runs).
"""
