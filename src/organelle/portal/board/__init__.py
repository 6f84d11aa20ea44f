"""What of the results may be seen."""
