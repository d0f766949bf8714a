"""Pages made from graded work: feedback for a student, a report on the class."""
