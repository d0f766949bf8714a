"""From what students handed in to the gradebook. Start with `runner.py` (a class), then `worker.py` and
`execute.py` (a submission) and `trusted.py` (a graded cell).
"""
