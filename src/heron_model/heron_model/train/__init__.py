"""Training: sources mixed by ratio, a loop that can be killed and goes on to the same result, and what is measured meanwhile."""
