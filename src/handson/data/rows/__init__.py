"""From columns to batches: arrays, splits, folds, scaling, feeds."""
