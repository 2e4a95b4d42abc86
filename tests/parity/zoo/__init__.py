"""Cells of the zoo beside the packages that compute the same equations.

A family is two files: `make_FAMILY.py` runs the packages and makes the golden files, with NumPy and the package alone;
`FAMILY.py` says which cell of ours each case is, and how the package's weights become its parameters.
"""
