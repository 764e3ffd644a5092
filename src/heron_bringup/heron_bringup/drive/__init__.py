"""`./heron drive`: one run of the pipeline, from its inputs to its report."""
