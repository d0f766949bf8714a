"""Grading: hidden cases, the oracle they compare with, and how nbgrader is set up.

Students never get this package. Nothing imports it but hidden test cells, `nbgrader_config.py` and the tests.
"""
