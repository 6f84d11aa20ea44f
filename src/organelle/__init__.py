"""Segment organelles in volume electron microscopy: the whole path of the CellMap Segmentation Challenge."""

__version__ = "0.1.0"
