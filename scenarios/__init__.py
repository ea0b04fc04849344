"""The drills: a module an entry of the runbook, a test function a cause."""
