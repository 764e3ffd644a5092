"""A world to drive in: roads, traffic, seven true lenses, sensors and an expert driver."""
