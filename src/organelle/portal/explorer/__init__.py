"""Datasets, crops and classes to look at."""
