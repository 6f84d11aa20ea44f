"""The door: `csc VERB`. Each command parses, calls one function of the library, and prints."""

from organelle.cli.app import COMMANDS, app_of, main

__all__ = ["COMMANDS", "app_of", "main"]
