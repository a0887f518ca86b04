"""Every metric of Keras with arguments, and what makes its targets and outputs."""

import numpy as np

CLASSES = 4


def values(rng, rows):
    return rng.normal(size=(rows, 3)), rng.normal(size=(rows, 3))


def positive(rng, rows):
    return rng.uniform(0.1, 3, (rows, 3)), rng.uniform(0.1, 3, (rows, 3))


def yes_or_no(rng, rows):
    return rng.integers(0, 2, (rows, CLASSES)), rng.random((rows, CLASSES))


def signs(rng, rows):
    return rng.choice([-1, 1], (rows, 3)), rng.normal(size=(rows, 3))


def one_hot(rng, rows):
    return np.eye(CLASSES)[rng.integers(0, CLASSES, rows)], rng.dirichlet(np.ones(CLASSES), rows)


def labels(rng, rows):
    return rng.integers(0, CLASSES, rows), rng.dirichlet(np.ones(CLASSES), rows)


def logits(rng, rows):
    return rng.integers(0, CLASSES, rows), rng.normal(size=(rows, CLASSES))


def ids(rng, rows):
    return rng.integers(0, CLASSES, (rows, 5)), rng.integers(0, CLASSES, (rows, 5))


def sorted_ids(rng, rows):
    return rng.integers(0, 9, rows), np.stack([rng.permutation(9)[:5] for _ in range(rows)])


def pixels(rng, rows):
    return rng.integers(0, CLASSES, (rows, 2, 3)), rng.dirichlet(np.ones(CLASSES), (rows, 2, 3))


CASES = [
    ("Accuracy", {}, ids),
    ("BinaryAccuracy", {}, yes_or_no),
    ("BinaryAccuracy", {"threshold": 0.2}, yes_or_no),
    ("CategoricalAccuracy", {}, one_hot),
    ("SparseCategoricalAccuracy", {}, labels),
    ("SparseCategoricalAccuracy", {}, pixels),
    ("TopKCategoricalAccuracy", {"k": 2}, one_hot),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, labels),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, pixels),
    ("SparseTopKCategoricalAccuracy", {"k": 3, "from_sorted_ids": True}, sorted_ids),
    ("TruePositives", {}, yes_or_no),
    ("TrueNegatives", {"thresholds": [0.7, 0.2]}, yes_or_no),
    ("FalsePositives", {"thresholds": 0.3}, yes_or_no),
    ("FalseNegatives", {"thresholds": [0.0, 0.5, 1.0]}, yes_or_no),
    ("Precision", {}, yes_or_no),
    ("Precision", {"thresholds": [0.8, 0.4]}, yes_or_no),
    ("Precision", {"top_k": 2}, yes_or_no),
    ("Precision", {"top_k": 2, "class_id": 1}, yes_or_no),
    ("Precision", {"thresholds": 0.3, "top_k": 3}, yes_or_no),
    ("Recall", {}, yes_or_no),
    ("Recall", {"class_id": 3, "thresholds": 0.6}, yes_or_no),
    ("Recall", {"top_k": 1}, one_hot),
    ("AUC", {"num_thresholds": 200}, yes_or_no),
    ("AUC", {"num_thresholds": 20, "curve": "PR"}, yes_or_no),
    ("AUC", {"num_thresholds": 20, "curve": "PRGAIN"}, yes_or_no),
    ("AUC", {"num_thresholds": 20, "summation_method": "minoring"}, yes_or_no),
    ("AUC", {"num_thresholds": 20, "curve": "PR", "summation_method": "majoring"}, yes_or_no),
    ("AUC", {"thresholds": [0.1, 0.45, 0.7]}, yes_or_no),
    ("AUC", {"num_thresholds": 50, "multi_label": True}, yes_or_no),
    (
        "AUC",
        {"num_thresholds": 50, "multi_label": True, "curve": "PR", "label_weights": [1.0, 2.0, 0.5, 1.0]},
        yes_or_no,
    ),
    ("AUC", {"num_thresholds": 50, "label_weights": [1.0, 2.0, 0.5, 1.0]}, yes_or_no),
    ("AUC", {"num_thresholds": 50, "from_logits": True}, yes_or_no),
    ("PrecisionAtRecall", {"recall": 0.6}, yes_or_no),
    ("RecallAtPrecision", {"precision": 0.6}, yes_or_no),
    ("SensitivityAtSpecificity", {"specificity": 0.4, "num_thresholds": 1}, yes_or_no),
    ("SensitivityAtSpecificity", {"specificity": 0.4}, yes_or_no),
    ("SpecificityAtSensitivity", {"sensitivity": 0.7, "class_id": 2}, yes_or_no),
    ("F1Score", {}, one_hot),
    ("F1Score", {"average": "macro", "threshold": 0.4}, yes_or_no),
    ("F1Score", {"average": "weighted"}, one_hot),
    ("FBetaScore", {"average": "micro", "beta": 2.0, "threshold": 0.3}, yes_or_no),
    ("FBetaScore", {"beta": 0.5, "threshold": 0.3}, yes_or_no),
    ("IoU", {"num_classes": CLASSES, "target_class_ids": [0, 2], "dtype": "float32"}, ids),
    ("IoU", {"num_classes": CLASSES, "target_class_ids": [3], "sparse_y_pred": False, "dtype": "float32"}, pixels),
    ("MeanIoU", {"num_classes": CLASSES, "dtype": "float32"}, ids),
    ("MeanIoU", {"num_classes": CLASSES, "ignore_class": 1, "dtype": "float32"}, ids),
    ("MeanIoU", {"num_classes": CLASSES, "sparse_y_pred": False, "dtype": "float32"}, labels),
    ("BinaryIoU", {"threshold": 0.4, "dtype": "float32"}, yes_or_no),
    ("BinaryIoU", {"target_class_ids": [1], "dtype": "float32"}, yes_or_no),
    ("OneHotIoU", {"num_classes": CLASSES, "target_class_ids": [0, 1], "dtype": "float32"}, one_hot),
    ("OneHotMeanIoU", {"num_classes": CLASSES, "dtype": "float32"}, one_hot),
    ("R2Score", {}, values),
    ("R2Score", {"class_aggregation": None}, values),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, values),
    ("MeanSquaredError", {}, values),
    ("RootMeanSquaredError", {}, values),
    ("MeanAbsoluteError", {}, values),
    ("MeanAbsolutePercentageError", {}, positive),
    ("MeanSquaredLogarithmicError", {}, positive),
    ("LogCoshError", {}, values),
    ("CosineSimilarity", {}, values),
    ("KLDivergence", {}, one_hot),
    ("Poisson", {}, positive),
    ("BinaryCrossentropy", {}, yes_or_no),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, yes_or_no),
    ("CategoricalCrossentropy", {}, one_hot),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, one_hot),
    ("SparseCategoricalCrossentropy", {}, labels),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, logits),
    ("Hinge", {}, signs),
    ("SquaredHinge", {}, signs),
    ("CategoricalHinge", {}, one_hot),
    ("PearsonCorrelation", {}, values),
    ("ConcordanceCorrelation", {}, values),
]
