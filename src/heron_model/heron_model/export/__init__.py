"""A trained DriveHeron becomes a policy folder: two ONNX graphs, what they promise, and the proof that they compute what PyTorch does."""
