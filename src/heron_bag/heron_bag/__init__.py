"""Recordings: read, import, record, play, cut and inspect."""
