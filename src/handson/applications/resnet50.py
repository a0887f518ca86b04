"""ResNet50 under the name that it has in Keras too: see `handson.applications.resnet`."""

from handson.applications.resnet import ResNet50, decode_predictions, preprocess_input

__all__ = ["ResNet50", "decode_predictions", "preprocess_input"]
