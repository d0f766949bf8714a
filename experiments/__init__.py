"""Questions that chapters answer with figures: each is a module here, its answer a CSV file in `results/`.

from experiments import results
results("copy_paths")                                                 # a table, mean ± s.d. over seeds
results("copy_paths").mean("mean_iou", data="brain", copy_paths=True)
"""

from experiments.table import Table, results

__all__ = ["Table", "results"]
