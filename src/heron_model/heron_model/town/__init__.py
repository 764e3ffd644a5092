"""Samples from the simulated world: drives with disturbances, pictures at the policy's virtual cameras, labels that the truth gives for nothing."""
