"""Camera sources, undistortion, preprocessing and frame-set synchronisation."""
