"""The map: lanes, junctions, signals, routes; made from a seed or read from a SUMO network."""
