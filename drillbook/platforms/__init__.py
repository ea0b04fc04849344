"""Where a system runs."""
