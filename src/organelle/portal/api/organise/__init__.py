"""What organisers do, for programs: no more than their pages let them, and all of it in the audit log."""
