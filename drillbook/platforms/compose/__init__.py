"""Docker Compose as a platform."""
