"""One module per verb; heron_bringup.cli says what a module must offer."""
