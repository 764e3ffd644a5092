"""Recordings from files of other kinds, by a declarative configuration."""
