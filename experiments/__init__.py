"""Published results, one a file: configuration, run, and the paper's numbers as claims."""
