"""A bare machine made able: host, engine, images."""
