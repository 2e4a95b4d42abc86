"""The command `rnnjax train` on a small network: `python interrupted_run.py FOLDER UPDATES EVERY [OPTION]...`."""

from __future__ import annotations

import sys

from rnnjax.cli import main


def arguments(folder, updates, every):
    """The words after `rnnjax`."""
    network = ["--cell", "elman", "--hidden", "4", "--batch-size", "4", "--evaluation-size", "10", "--keep-going"]
    budget = ["--steps", updates, "--evaluate-every", every, "--checkpoint-every", updates, "--out", folder]
    return ["train", "latch", "--length", "10", *network, *budget, "--quiet"]


if __name__ == "__main__":
    sys.exit(main([*arguments(*sys.argv[1:4]), *sys.argv[4:]]))
