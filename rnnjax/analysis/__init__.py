"""What gradients and states do on their way through time: measures of it, and figures.

    flow = gradient_flow(cell, params, xs)                          norms of dL/dh_t at each step
    spectrum = jacobian_spectrum(cell, params, xs, lags=[1, 10])    singular values of dh_T/dh_T-k
    exponents = lyapunov_spectrum(cell, params, xs).exponents       growth rates of perturbations
    gates = gate_statistics(cell, params, xs)                       how open or saturated each gate is
    points = fixed_points(cell, params, xs)                         where the state stands still
    memory = memory_capacity(cell, params, xs, max_lag=50)          which past inputs the state holds
    figure = gradient_flow_figure({"LSTM": flow})                   a matplotlib figure
    style.save(figure, "flow.svg")

The functions that draw import matplotlib when they are called; importing this package does not.
"""

from rnnjax.analysis import figures, figures_dynamics, style
from rnnjax.analysis.figures import gradient_flow_figure, learning_curves_figure, spectrum_figure
from rnnjax.analysis.figures_dynamics import fixed_points_figure, lyapunov_figure, memory_figure, saturation_figure
from rnnjax.analysis.fixed_points import FixedPoints, PrincipalComponents, fixed_points, principal_components
from rnnjax.analysis.gate_statistics import GateStatistics, gate_activations, gate_statistics
from rnnjax.analysis.gradient_flow import GradientFlow, gradient_flow
from rnnjax.analysis.jacobian import JacobianSpectrum, jacobian_spectrum, step_jacobians
from rnnjax.analysis.lyapunov import (
    LyapunovSpectrum,
    entropy_rate,
    flossing_loss,
    kaplan_yorke_dimension,
    lyapunov_spectrum,
)
from rnnjax.analysis.memory import HalfLife, MemoryCapacity, gradient_half_life, memory_capacity
from rnnjax.analysis.states import visited_states

__all__ = [
    "FixedPoints", "GateStatistics", "GradientFlow", "HalfLife", "JacobianSpectrum", "LyapunovSpectrum",
    "MemoryCapacity", "PrincipalComponents", "entropy_rate", "figures", "figures_dynamics", "fixed_points",
    "fixed_points_figure", "flossing_loss", "gate_activations", "gate_statistics", "gradient_flow",
    "gradient_flow_figure", "gradient_half_life", "jacobian_spectrum", "kaplan_yorke_dimension",
    "learning_curves_figure", "lyapunov_figure", "lyapunov_spectrum", "memory_capacity", "memory_figure",
    "principal_components", "saturation_figure", "spectrum_figure", "step_jacobians", "style", "visited_states",
]  # fmt: skip
