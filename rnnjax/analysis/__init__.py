"""What gradients and states do on their way through time: measures of it, and figures.

    flow = gradient_flow(cell, params, xs)                          norms of dL/dh_t at each step
    spectrum = jacobian_spectrum(cell, params, xs, lags=[1, 10])    singular values of dh_T/dh_T-k
    exponents = lyapunov_spectrum(cell, params, xs).exponents       growth rates of perturbations
    gates = gate_statistics(cell, params, xs)                       how open or saturated each gate is
    points = fixed_points(cell, params, xs)                         where the state stands still
    memory = memory_capacity(cell, params, xs, max_lag=50)          which past inputs the state holds
    around = landscape(loss, params, directions, coordinates)       the loss around the parameters
    curvature = hessian_spectrum(loss, params, count=5)             where it is curved most
    shares = integrated_gradients(cell, params, xs, output)         what each input contributed
    figure = gradient_flow_figure({"LSTM": flow})                   a matplotlib figure
    style.save(figure, "flow.svg")

The functions that draw import matplotlib when they are called; importing this package does not.
"""

from rnnjax.analysis import figures, figures_dynamics, figures_explain, figures_landscape, style
from rnnjax.analysis.explain import IntegratedGradients, Saliency, connectivity, integrated_gradients, saliency
from rnnjax.analysis.figures import gradient_flow_figure, learning_curves_figure, spectrum_figure
from rnnjax.analysis.figures_dynamics import fixed_points_figure, lyapunov_figure, memory_figure, saturation_figure
from rnnjax.analysis.figures_explain import attribution_figure, connectivity_figure, text_figure, text_html
from rnnjax.analysis.figures_flow import flow_over_training_figure, gate_gradients_figure, step_spectra_figure
from rnnjax.analysis.figures_gates import forget_times_figure, gate_histograms_figure, gates_over_training_figure
from rnnjax.analysis.figures_landscape import landscape_figure, slice_figure, spectral_density_figure, surface_figure
from rnnjax.analysis.figures_parameters import gradient_shares_figure, parameter_gradients_figure
from rnnjax.analysis.figures_success import success_figure, updates_figure
from rnnjax.analysis.fixed_points import FixedPoints, PrincipalComponents, fixed_points, principal_components
from rnnjax.analysis.gate_gradients import gate_gradients
from rnnjax.analysis.gate_statistics import GateStatistics, gate_activations, gate_statistics
from rnnjax.analysis.gradient_flow import GradientFlow, gradient_flow
from rnnjax.analysis.gradient_shares import GradientShares, gradient_shares
from rnnjax.analysis.hessian import (
    HessianSpectrum,
    SpectralDensity,
    hessian_spectrum,
    hessian_vector_product,
    spectral_density,
)
from rnnjax.analysis.intervals import wilson
from rnnjax.analysis.jacobian import JacobianSpectrum, jacobian_spectrum, step_jacobians
from rnnjax.analysis.landscape import (
    Landscape,
    TrajectoryPlane,
    entry_direction,
    gradient_direction,
    landscape,
    random_direction,
    trajectory_plane,
)
from rnnjax.analysis.lyapunov import (
    LyapunovSpectrum,
    entropy_rate,
    flossing_loss,
    kaplan_yorke_dimension,
    lyapunov_spectrum,
)
from rnnjax.analysis.memory import HalfLife, MemoryCapacity, gradient_half_life, memory_capacity
from rnnjax.analysis.norm_preservation import NormPreservation, norm_preservation
from rnnjax.analysis.parameter_blocks import parameter_blocks
from rnnjax.analysis.snapshots import over_training
from rnnjax.analysis.states import visited_states
from rnnjax.analysis.step_spectra import StepSpectra, step_spectra
from rnnjax.analysis.success import SuccessByLength, reach, success_by_length
from rnnjax.analysis.units import UnitMatches, match_units, nesting_depth, steps_since

__all__ = [
    "FixedPoints", "GateStatistics", "GradientFlow", "GradientShares", "HalfLife", "HessianSpectrum",
    "IntegratedGradients", "JacobianSpectrum", "Landscape", "LyapunovSpectrum", "MemoryCapacity",
    "NormPreservation", "PrincipalComponents", "Saliency", "SpectralDensity", "StepSpectra", "SuccessByLength",
    "TrajectoryPlane", "UnitMatches", "attribution_figure", "connectivity", "connectivity_figure", "entropy_rate",
    "entry_direction", "figures", "figures_dynamics", "figures_explain", "figures_landscape", "fixed_points",
    "fixed_points_figure", "flossing_loss", "flow_over_training_figure", "forget_times_figure", "gate_activations",
    "gate_gradients", "gate_gradients_figure", "gate_histograms_figure", "gate_statistics",
    "gates_over_training_figure", "gradient_direction", "gradient_flow", "gradient_flow_figure",
    "gradient_half_life", "gradient_shares", "gradient_shares_figure", "hessian_spectrum", "hessian_vector_product",
    "integrated_gradients", "jacobian_spectrum", "kaplan_yorke_dimension", "landscape", "landscape_figure",
    "learning_curves_figure", "lyapunov_figure", "lyapunov_spectrum", "match_units", "memory_capacity",
    "memory_figure", "nesting_depth", "norm_preservation", "over_training", "parameter_blocks",
    "parameter_gradients_figure", "principal_components", "random_direction", "reach", "saliency",
    "saturation_figure", "slice_figure", "spectral_density", "spectral_density_figure", "spectrum_figure",
    "step_jacobians", "step_spectra", "step_spectra_figure", "steps_since", "style", "success_by_length",
    "success_figure", "surface_figure", "text_figure", "text_html", "trajectory_plane", "updates_figure",
    "visited_states", "wilson",
]  # fmt: skip
