"""Augmentation of images: what the user gives, the ranges it draws from, and the geometry of a batch."""

from handson.data.augment.augment import Augment as Augment
