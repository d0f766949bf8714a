"""What the pages cost a reader: `python -m benchmarks.pages`."""
