"""Look: EM, truth and results in Neuroglancer, served from this machine, or as pictures."""

from organelle.visualize.choice import Choice, Image, ImageKind, find_images, parse_kinds
from organelle.visualize.scene import Scene, View, visualize
from organelle.visualize.server import Server, serve
from organelle.visualize.sheet import contact_sheet, write_sheets

__all__ = [
    "Choice",
    "Image",
    "ImageKind",
    "Scene",
    "Server",
    "View",
    "contact_sheet",
    "find_images",
    "parse_kinds",
    "serve",
    "visualize",
    "write_sheets",
]
