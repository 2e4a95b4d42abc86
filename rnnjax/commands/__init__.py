"""The commands of `rnnjax`, one a file."""
