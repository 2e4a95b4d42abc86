"""How an unroll is computed: the engines by name."""

from rnnjax.engines.scan import scan

ENGINES = {"scan": scan}
