"""What runs in the services' own environment: supervisor, configuration, stand-ins for hardware."""
