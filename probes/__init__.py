"""Probes: the detectors that drills have seen fire, turned on a target that must not be harmed."""
