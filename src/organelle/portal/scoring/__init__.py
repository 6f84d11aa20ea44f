"""Jobs, tasks and workers; results."""
