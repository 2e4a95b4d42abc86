"""Any cell as a module of Flax Linen, Flax NNX, Equinox or Haiku.

Each framework is imported by its own adapter alone: `from rnnjax.adapters import linen`.
"""
