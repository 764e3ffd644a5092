"""Sets up a clean clone: checks, environment, wheels, workspace. Standard library only: nothing else is installed yet."""
