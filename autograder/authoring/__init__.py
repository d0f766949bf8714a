"""Problem sets as their authors write them: a new one from `template/`, any of them as a text file."""
