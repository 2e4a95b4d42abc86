"""Logistic regression, the plain method that networks are held against."""

from __future__ import annotations

import numpy as np


def logistic_regression(
    inputs: np.ndarray, targets: np.ndarray, questions: np.ndarray, *, strength: float = 1.0, iterations: int = 200
) -> np.ndarray:
    """What a logistic regression answers: fitted to `inputs [rows, features]` and `targets [rows]`.

    Features are standardised; a deviation below a tenth of the largest is raised to that, so that a pixel that is blank
    in nearly all images does not count for much. Scikit-learn's, with an L2 penalty of the squared norm of the weights
    over twice the strength.

    Args:
      inputs: what it is fitted to.
      targets: classes, as ints or names.
      questions: `[rows, features]`, what it is asked.
      strength: the inverse of the penalty, scikit-learn's C.
      iterations: of L-BFGS, at most.

    Returns:
      The classes `[rows]`.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    inputs, questions = np.asarray(inputs, np.float32), np.asarray(questions, np.float32)
    mean, deviation = inputs.mean(0), inputs.std(0)
    deviation = np.maximum(deviation, max(float(deviation.max()), 1e-12) / 10)
    model = LogisticRegression(C=strength, max_iter=iterations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # so many iterations are the method
        model.fit((inputs - mean) / deviation, np.asarray(targets))
    return np.asarray(model.predict((questions - mean) / deviation))
