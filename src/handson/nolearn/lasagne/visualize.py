"""`nolearn.lasagne.visualize`."""

from handson.nolearn.visualize import (
    draw_to_file,
    draw_to_notebook,
    occlusion_heatmap,
    plot_conv_activity,
    plot_conv_weights,
    plot_loss,
    plot_occlusion,
    plot_saliency,
)  # fmt: skip

__all__ = [
    "draw_to_file", "draw_to_notebook", "occlusion_heatmap", "plot_conv_activity", "plot_conv_weights", "plot_loss",
    "plot_occlusion", "plot_saliency",
]  # fmt: skip
