"""What gradients do on their way through time: gradient flow, singular values of Jacobian products, and figures.

    flow = gradient_flow(cell, params, xs)                          norms of dL/dh_t at each step
    spectrum = jacobian_spectrum(cell, params, xs, lags=[1, 10])    singular values of dh_T/dh_T-k
    figure = figures.gradient_flow_figure({"LSTM": flow})           a matplotlib figure
    style.save(figure, "flow.svg")

The functions of `figures` and `style` import matplotlib when they are called; importing this package does not.
"""

from rnnjax.analysis import figures, style
from rnnjax.analysis.figures import gradient_flow_figure, learning_curves_figure, spectrum_figure
from rnnjax.analysis.gradient_flow import GradientFlow, gradient_flow
from rnnjax.analysis.jacobian import JacobianSpectrum, jacobian_spectrum, step_jacobians

__all__ = [
    "GradientFlow", "JacobianSpectrum", "figures", "gradient_flow", "gradient_flow_figure", "jacobian_spectrum",
    "learning_curves_figure", "spectrum_figure", "step_jacobians", "style",
]  # fmt: skip
