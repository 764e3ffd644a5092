"""Where frames come from: each source is an iterator of (due_ns or None, CameraFrame), as `HeronNode.feed` takes them."""
