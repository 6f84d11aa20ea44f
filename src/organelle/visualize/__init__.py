"""Look: EM, truth and results in Neuroglancer, served from this machine, or as pictures."""

from organelle.visualize.choice import Choice, Image, ImageKind, find_images, parse_kinds
from organelle.visualize.links import PublicLink, public_links
from organelle.visualize.scene import Scene, View, visualize
from organelle.visualize.server import Server, serve
from organelle.visualize.sheet import contact_sheet, write_sheets

__all__ = [
    "Choice",
    "Image",
    "ImageKind",
    "PublicLink",
    "Scene",
    "Server",
    "View",
    "contact_sheet",
    "find_images",
    "parse_kinds",
    "public_links",
    "serve",
    "visualize",
    "write_sheets",
]
