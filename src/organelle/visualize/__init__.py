"""Look: EM, truth and results in Neuroglancer, served from this machine, or as pictures."""

from organelle.visualize.choice import Choice, Image, ImageKind, find_images, parse_kinds
from organelle.visualize.scene import Scene, View, visualize
from organelle.visualize.server import Server, serve

__all__ = [
    "Choice",
    "Image",
    "ImageKind",
    "Scene",
    "Server",
    "View",
    "find_images",
    "parse_kinds",
    "serve",
    "visualize",
]
