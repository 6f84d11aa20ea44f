"""People, teams, tokens."""
