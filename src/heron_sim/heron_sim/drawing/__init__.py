"""What cameras see: shapes, ground, light, lenses."""
