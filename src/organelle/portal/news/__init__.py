"""Posts, feeds, mail."""
