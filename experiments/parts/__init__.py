"""Networks, tasks and settings that belong to single papers, and serve their experiments alone."""
