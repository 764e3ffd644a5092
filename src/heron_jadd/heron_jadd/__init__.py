"""Recordings become JADD, a nuScenes-compatible dataset of scenes."""
