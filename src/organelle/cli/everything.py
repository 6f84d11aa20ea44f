"""The command line with all of its commands, for tests and for the reference."""

from organelle.cli.app import COMMANDS, app_of

app = app_of(COMMANDS)
