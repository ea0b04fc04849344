"""A run's journal, read: verdicts on the runbook's lines, and every form they are shown in."""
