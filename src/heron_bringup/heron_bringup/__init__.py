"""The `heron` command: set-up, verbs, and the installed launch files and configuration."""
