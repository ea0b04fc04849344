"""The same outage three ways: as a drill, as a bare script, as a Chaos Toolkit experiment."""
