"""Everybody else on the road."""
