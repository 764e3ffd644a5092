"""Shared types and geometry of Heron; numpy only."""
