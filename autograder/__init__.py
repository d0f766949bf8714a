"""The instructor's half of the course. Students never get this package; nothing imports it but hidden test
cells, `nbgrader_config.py`, benchmarks and tests.

hidden, oracle       hidden cases, and the model answers that they compare with
course, config       where things are, and nbgrader's settings; `late` and `exchange` are parts of nbgrader's
grading              from what was handed in to the gradebook; begin with `grading/runner.py`
sandbox              where students' code runs
pages                feedback for a student, a report on the class
authoring            new problem sets, and notebooks as text
publishing           what students get
"""
