"""The engine: it proves a runbook on a running system."""
