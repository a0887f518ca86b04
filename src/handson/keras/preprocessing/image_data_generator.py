"""`ImageDataGenerator`: images that are changed at random while a net trains, as older programs change them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from handson.core.errors import HandsonError, number, whole
from handson.graph.conversion import floatx, type_name
from handson.keras.preprocessing.image_changes import (
    FILL_MODES,
    Axes,
    apply_affine_transform,
    apply_brightness_shift,
    apply_channel_shift,
    drawn,
    span,
)
from handson.keras.preprocessing.image_iterators import DataFrameIterator, DirectoryIterator, NumpyArrayIterator, Saving
from handson.keras.preprocessing.image_sources import Pictures
from handson.layers.preprocessing.encoding import chosen
from handson.utils.pictures import FORMATS

SMALL = 1e-6


class ImageDataGenerator:
    """Gives batches of images, each changed by random numbers of its own and scaled.

    What an image goes through is a function of the iterator's seed, the epoch and the image: two iterators of one seed
    change images and their masks alike, and a training that was killed goes on with the same images.

    Parameters
    ----------
    featurewise_center, featurewise_std_normalization : bool
        Whether the mean of the images that `fit` saw is subtracted, and it is divided by their standard deviation, for
        each channel. The second includes the first.
    samplewise_center, samplewise_std_normalization : bool
        The same with those of the image itself.
    zca_whitening : bool
        Whether images are multiplied by the matrix that makes the pixels of those that `fit` saw uncorrelated; includes
        `featurewise_center`.
    zca_epsilon : float
        Keeps that matrix finite.
    rotation_range : float
        Degrees.
    width_shift_range, height_shift_range : float, int or sequence
        A share of the side if less than 1, else pixels; a whole number stands for the smaller ones; of a sequence one
        is drawn.
    brightness_range : (float, float), optional
        The factor of brightness.
    shear_range : float
        Degrees.
    zoom_range : float or (float, float)
        Of 0.2, from 0.8 to 1.2: how many pixels are seen in place of one.
    channel_shift_range : float
        What is added to all values, at most.
    fill_mode : {'nearest', 'constant', 'reflect', 'wrap'}
        What is seen from outside of an image.
    cval : float
        That value, for 'constant'.
    horizontal_flip, vertical_flip : bool
        Whether half of the images are mirrored.
    rescale : float, optional
        A factor of all values.
    preprocessing_function : function of array, optional
        Called with each image that was changed, before it is scaled.
    data_format : {'channels_last', 'channels_first'}, optional
        Where the channels are.
    validation_split : float
        The share of images that ``subset='validation'`` gives.
    interpolation_order : int
        0 for the nearest value, 1 for linear interpolation, up to 5 for splines.
    dtype : str, optional
        The type of images, by default float32.

    Notes
    -----
    Keras 3 moves columns by `height_shift_range` and rows by `width_shift_range`, and turns images that are not square
    about another point than their middle; here the ranges are what they are called.

    Examples
    --------
    >>> generator = ImageDataGenerator(rescale=1 / 255, horizontal_flip=True, rotation_range=10)
    >>> images, labels = np.full((5, 4, 4, 1), 255), np.arange(5)
    >>> batches = generator.flow(images, labels, batch_size=2, shuffle=False)
    >>> x, y = next(batches)
    >>> len(batches), x.shape, y.tolist(), float(x.min())
    (3, (2, 4, 4, 1), [0, 1], 1.0)
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = SMALL,
        rotation_range: float = 0,
        width_shift_range: Any = 0.0,
        height_shift_range: Any = 0.0,
        brightness_range: Any = None,
        shear_range: float = 0.0,
        zoom_range: Any = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[Any], Any] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: Any = None,
    ) -> None:
        if zca_whitening and featurewise_std_normalization:
            raise HandsonError("zca_whitening scales images by itself: leave out featurewise_std_normalization.")
        self.featurewise_center = featurewise_center or featurewise_std_normalization or zca_whitening
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_center = samplewise_center or samplewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening, self.zca_epsilon = zca_whitening, zca_epsilon
        self.rotation_range = number("rotation_range", rotation_range)
        self.shear_range = number("shear_range", shear_range)
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        self.brightness_range = None if brightness_range is None else span("brightness_range", brightness_range)
        alone = isinstance(zoom_range, Real)
        self.zoom_range = (1 - zoom_range, 1 + zoom_range) if alone else span("zoom_range", zoom_range)
        self.channel_shift_range = number("channel_shift_range", channel_shift_range)
        self.fill_mode, self.cval = chosen("ImageDataGenerator", "fill_mode", fill_mode, FILL_MODES), cval
        self.interpolation_order = whole("interpolation_order", interpolation_order, 0)
        self.horizontal_flip, self.vertical_flip = bool(horizontal_flip), bool(vertical_flip)
        self.rescale, self.preprocessing_function = rescale, preprocessing_function
        self.data_format = chosen("ImageDataGenerator", "data_format", data_format or FORMATS[0], FORMATS)
        if not 0 <= validation_split < 1:
            raise HandsonError(f"validation_split lies between 0 and 1; got {validation_split!r}.")
        self.validation_split, self.dtype = validation_split, np.dtype(dtype or type_name(floatx())).name
        self.mean: np.ndarray | None = None
        self.std: np.ndarray | None = None
        self.zca_whitening_matrix: np.ndarray | None = None

    @property
    def axes(self) -> Axes:
        """Which axes of an image are rows, columns and channels."""
        return Axes.of(self.data_format)

    # Batches.

    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
    ) -> NumpyArrayIterator:
        """Batches of an array of images.

        Parameters
        ----------
        x : array of shape (n, height, width, channels), or (array, list of arrays)
            The images; other arrays go along as they are.
        y, sample_weight : array, optional
            Targets and weights.
        batch_size, shuffle, seed
            As in `handson.keras.preprocessing.image.Iterator`.
        save_to_dir, save_prefix, save_format : optional
            A folder that the changed images are written to, the beginning of their names, and their format.
        ignore_class_split : bool
            Whether the two subsets may have different classes.
        subset : {'training', 'validation'}, optional
            'validation' is the first `validation_split` of the images, 'training' the others.
        """
        saving = Saving(save_to_dir, save_prefix, save_format, self.data_format)
        return NumpyArrayIterator(
            x, y, self, batch_size, shuffle, sample_weight, seed, saving=saving, subset=subset,
            ignore_class_split=ignore_class_split,
        )  # fmt: skip

    def flow_from_directory(
        self,
        directory: Any,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
    ) -> DirectoryIterator:
        """Batches of the images in a folder, with a folder in it for each class.

        Parameters
        ----------
        directory : str or Path
            The folder.
        target_size, color_mode, interpolation, keep_aspect_ratio
            As in `handson.utils.load_img`.
        classes : list of str, optional
            The folders, in the order that numbers them; by default all, sorted.
        class_mode : {'categorical', 'binary', 'sparse', 'input'}, optional
            Targets: one-hot vectors, numbers of classes as floats, the images themselves, or none.
        follow_links : bool
            Whether links to folders are followed.
        batch_size, shuffle, seed, save_to_dir, save_prefix, save_format, subset
            As in `flow`; subsets have the same share of each class.
        """
        saving = Saving(save_to_dir, save_prefix, save_format, self.data_format)
        pictures = Pictures(target_size, color_mode, interpolation, keep_aspect_ratio, self.data_format)
        return DirectoryIterator(
            directory, self, pictures, classes, class_mode, batch_size, shuffle, seed, saving=saving, subset=subset,
            follow_links=follow_links,
        )  # fmt: skip

    def flow_from_dataframe(
        self,
        dataframe: Any,
        directory: Any = None,
        x_col: str = "filename",
        y_col: Any = "class",
        weight_col: str | None = None,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        validate_filenames: bool = True,
    ) -> DataFrameIterator:
        """Batches of the images that a table names.

        Parameters
        ----------
        dataframe : pandas.DataFrame
            The table.
        directory : str or Path, optional
            The folder that file names are in.
        x_col : str
            The column of file names.
        y_col : str or list of str
            The column, or columns, of targets.
        weight_col : str, optional
            The column of weights.
        classes : list of str, optional
            The classes, in the order that numbers them; rows of others are left out.
        class_mode : {'categorical', 'binary', 'sparse', 'raw', 'multi_output', 'input'}, optional
            As in `flow_from_directory`; 'raw' takes the values as they are, 'multi_output' a list of columns.
        validate_filenames : bool
            Whether rows whose file is no image or is not there are left out, and said.
        target_size, color_mode, batch_size, shuffle, seed, save_to_dir, save_prefix, save_format, subset, interpolation
            As in `flow_from_directory`; subsets are the first rows and the others.
        """
        saving = Saving(save_to_dir, save_prefix, save_format, self.data_format)
        pictures = Pictures(target_size, color_mode, interpolation, keep_aspect_ratio, self.data_format)
        columns = x_col, y_col, weight_col
        return DataFrameIterator(
            dataframe, directory, self, pictures, columns, classes, class_mode, batch_size, shuffle, seed,
            saving=saving, subset=subset, validate_filenames=validate_filenames,
        )  # fmt: skip

    # One image.

    def get_random_transform(self, img_shape: Sequence[int], seed: int | None = None) -> dict[str, Any]:
        """Random numbers for the changes of an image: those of Keras for the same seed.

        Parameters
        ----------
        img_shape : tuple of int
            The shape of the image.
        seed : int, optional
            The seed; by default a fresh one.

        Returns
        -------
        dict
            What `apply_transform` takes.
        """
        random, axes = drawn(seed), self.axes
        theta = random.uniform(-self.rotation_range, self.rotation_range) if self.rotation_range else 0
        tx = _shift(random, self.height_shift_range, img_shape[axes.row])
        ty = _shift(random, self.width_shift_range, img_shape[axes.column])
        shear = random.uniform(-self.shear_range, self.shear_range) if self.shear_range else 0
        low, high = self.zoom_range
        zx, zy = (1, 1) if low == high == 1 else random.uniform(low, high, 2)
        flips = [bool(random.random_sample() < 0.5) and wanted for wanted in (self.horizontal_flip, self.vertical_flip)]
        reach, light = self.channel_shift_range, self.brightness_range
        return {
            "theta": theta, "tx": tx, "ty": ty, "shear": shear, "zx": zx, "zy": zy,
            "flip_horizontal": flips[0], "flip_vertical": flips[1],
            "channel_shift_intensity": random.uniform(-reach, reach) if reach else None,
            "brightness": None if light is None else random.uniform(*light),
        }  # fmt: skip

    def apply_transform(self, x: Any, transform_parameters: dict[str, Any]) -> np.ndarray:
        """An image, changed.

        Parameters
        ----------
        x : array of three axes
            The image.
        transform_parameters : dict
            Any of 'theta', 'tx', 'ty', 'shear', 'zx', 'zy' (see `apply_affine_transform`), 'flip_horizontal',
            'flip_vertical', 'channel_shift_intensity' and 'brightness'.
        """
        given, axes = transform_parameters, self.axes
        moves = {name: given[name] for name in ("theta", "tx", "ty", "shear", "zx", "zy") if name in given}
        x = apply_affine_transform(
            x, **moves, row_axis=axes.row, col_axis=axes.column, channel_axis=axes.channel, fill_mode=self.fill_mode,
            cval=self.cval, order=self.interpolation_order,
        )  # fmt: skip
        if given.get("channel_shift_intensity") is not None:
            x = apply_channel_shift(x, given["channel_shift_intensity"], axes.channel)
        if given.get("flip_horizontal"):
            x = np.flip(x, axes.column)
        if given.get("flip_vertical"):
            x = np.flip(x, axes.row)
        if given.get("brightness") is not None:
            x = apply_brightness_shift(x, given["brightness"], False, self.data_format)
        return x

    def random_transform(self, x: Any, seed: int | None = None) -> np.ndarray:
        """An image, changed by random numbers."""
        return self.apply_transform(x, self.get_random_transform(np.shape(x), seed))

    def standardize(self, x: Any) -> np.ndarray:
        """An image, or a batch of them, scaled as the arguments say; what is given stays as it is."""
        x = np.array(x, dtype=self.dtype)
        if self.preprocessing_function is not None:
            x, shape = np.asarray(self.preprocessing_function(x)), x.shape
            if x.shape != shape:
                raise HandsonError(f"preprocessing_function gives an image of the same shape, {shape}; got {x.shape}.")
        if self.rescale:
            x = x * self.rescale
        if self.samplewise_center:
            x = x - x.mean()
        if self.samplewise_std_normalization:
            x = x / (x.std() + SMALL)
        if self.featurewise_center:
            x = x - self._fitted(self.mean)
        if self.featurewise_std_normalization:
            x = x / (self._fitted(self.std) + SMALL)
        if self.zca_whitening:
            flat = x.reshape(-1, math.prod(x.shape[-3:]))
            x = (flat @ self._fitted(self.zca_whitening_matrix)).reshape(x.shape)
        return x

    def _fitted(self, value: np.ndarray | None) -> np.ndarray:
        if value is None:
            raise HandsonError(
                "featurewise_center, featurewise_std_normalization and zca_whitening compare with other images: call "
                "generator.fit(images) first."
            )
        return value

    def changed(self, x: Any, seed: int) -> np.ndarray:
        """An image as an iterator gives it: changed by the numbers of a seed, and scaled."""
        return self.standardize(self.random_transform(np.asarray(x, self.dtype), seed))

    # Statistics.

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Measure the images that others are compared with.

        Parameters
        ----------
        x : array of shape (n, height, width, channels)
            The images.
        augment : bool
            Whether they are changed first.
        rounds : int
            How often, with `augment`.
        seed : int, optional
            The seed of these changes.
        """
        x = np.array(x, dtype=self.dtype)
        if x.ndim != 4 or not len(x):
            raise HandsonError(f"fit takes images of shape (n, height, width, channels); got {x.shape}.")
        x = x * self.rescale if self.rescale else x
        if augment:
            random = drawn(seed)
            x = np.stack([self.random_transform(image, random.randint(1 << 31)) for _ in range(rounds) for image in x])
        sides = (0, self.axes.row + 1, self.axes.column + 1)
        if self.featurewise_center:
            self.mean = x.mean(sides, keepdims=True)[0]
            x = x - self.mean
        if self.featurewise_std_normalization:
            self.std = x.std(sides, keepdims=True)[0]
        if self.zca_whitening:
            # The principal components of the pixels, each scaled to unit spread.
            directions, spreads, _ = np.linalg.svd(x.reshape(len(x), -1).T, full_matrices=False)
            scales = np.sqrt(len(x)) / (spreads + self.zca_epsilon)
            self.zca_whitening_matrix = (directions * scales) @ directions.T


def _shift(random: np.random.RandomState, reach: Any, side: int) -> float:
    """By how many pixels an image moves."""
    if not np.any(reach):
        return 0
    if isinstance(reach, Integral) or np.ndim(reach) == 1:  # one of the whole numbers below, or of those that are given
        pixels = random.choice(reach) * random.choice([-1, 1])
    else:
        pixels = random.uniform(-reach, reach)
    return pixels * side if np.max(reach) < 1 else pixels
