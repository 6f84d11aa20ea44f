"""The door: `csc VERB`. Each command parses, calls one function of the library, and prints."""

from organelle.cli.app import app, main

__all__ = ["app", "main"]
