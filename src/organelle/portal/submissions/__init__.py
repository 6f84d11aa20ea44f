"""What is handed in: uploads, checks, states."""
