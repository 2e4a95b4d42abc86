"""One command for all diagnostics: a fresh cell or a trained run in, one report out.

subject = fresh("lstm", hidden=64, length=100)          # or trained("runs/my-run")
write_probe(subject, ("flow", "gates"), "probe")        # probe/report.html, numbers.json, figures/
"""

from rnnjax.probe.parts import PARTS
from rnnjax.probe.report import write_probe
from rnnjax.probe.subject import Subject, fresh, trained

__all__ = ["PARTS", "Subject", "fresh", "trained", "write_probe"]
