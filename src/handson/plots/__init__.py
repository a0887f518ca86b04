"""Pictures: of trainings, of what happens inside nets, of what they look at, of predictions and of data.

Every function returns a matplotlib `Figure` and writes it to a file if a path is given; none needs a display.
"""

from handson.core.lazy import lazy

_TOPICS = {
    "attributions": ("plot_grad_cam", "plot_integrated_gradients", "plot_occlusion", "plot_saliency"),
    "checks": ("plot_initializations", "plot_lr_range"),
    "curves": ("plot_history", "plot_runs", "plot_specialists"),
    "embeddings": ("plot_embedding",),
    "errors": ("plot_calibration", "plot_confusion", "plot_residuals"),
    "exploration": ("plot_exploration", "plot_missing"),
    "images": ("plot_keypoints", "plot_predictions", "plot_worst", "show_image"),
    "inside": ("plot_activations", "plot_gradients", "plot_updates"),
    "layers": ("plot_activity", "plot_weights"),
    "structure": ("plot_model",),
    "style": ("save",),
    "uncertainty": ("plot_levels", "plot_reliability", "plot_spread"),
}
_HOMES = {name: f"handson.plots.{topic}:{name}" for topic, names in _TOPICS.items() for name in names}

__all__ = sorted(_HOMES)
__getattr__ = lazy(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
