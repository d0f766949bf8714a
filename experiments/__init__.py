"""Questions that chapters answer with figures: each is a module here, its answer a CSV file in `results/`."""
