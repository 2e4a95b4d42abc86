"""Training: a run as a pure function, and what surrounds it on the host."""

from rnnjax.training.config import Config
from rnnjax.training.devices import split_over_devices
from rnnjax.training.fit import History, evaluate, fit, make_chunk
from rnnjax.training.hosts import connect
from rnnjax.training.mesh import mesh_of, over_mesh
from rnnjax.training.optimizer import Optimizer, make_optimizer
from rnnjax.training.regularizers import Flossing, Pascanu, Regularizer
from rnnjax.training.saved_runs import evaluate_run, restore_config, restore_run
from rnnjax.training.seeds import STRATEGIES, fit_seeds, over_runs
from rnnjax.training.state import TrainState, initial_state, make_model
from rnnjax.training.train import Run, train
from rnnjax.training.trained import Trained, load_trained
from rnnjax.training.update import make_update

__all__ = [
    "STRATEGIES", "Config", "Flossing", "History", "Optimizer", "Pascanu", "Regularizer", "Run", "TrainState",
    "Trained", "connect", "evaluate", "evaluate_run", "fit", "fit_seeds", "initial_state", "load_trained", "make_chunk",
    "make_model", "make_optimizer", "make_update", "mesh_of", "over_mesh", "over_runs", "restore_config", "restore_run",
    "split_over_devices", "train",
]  # fmt: skip
