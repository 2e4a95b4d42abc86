"""Makes the golden files of networks made for stability or in continuous time.

Needs PyTorch with torchrecurrent or ncps. LEM of torchrecurrent is not run: it reads the old memory where the paper
reads the new one.
"""

from __future__ import annotations

from parity.zoo import golden

H, F, BACKBONE = golden.FEATURES, golden.INPUTS, 16


def stepped(module, **arguments):
    """A step of a PyTorch cell with one state or several, the first of which is the output."""
    import torch

    def step(weights, state, x):
        given = state if len(state) > 1 else state[0]
        after = torch.func.functional_call(module.double(), weights, (x, given), arguments)
        after = after if isinstance(after, tuple) else (after,)
        return after[: len(state)], after[0]

    return step


def of_torchrecurrent():
    import torchrecurrent as tr

    made = golden.version("torchrecurrent")
    for name, module, states in (
        ("indrnn", tr.IndRNNCell(F, H, nonlinearity="relu"), 1),
        ("indrnn_tanh", tr.IndRNNCell(F, H), 1),
        ("antisymmetric_rnn", tr.AntisymmetricRNNCell(F, H, epsilon=0.3, gamma=0.1), 1),
        ("gated_antisymmetric_rnn", tr.GatedAntisymmetricRNNCell(F, H, epsilon=0.3, gamma=0.1), 1),
        ("cornn", tr.coRNNCell(F, H, dt=0.2, gamma=1.5, epsilon=2.5), 2),
        ("unicornn", tr.UnICORNNCell(F, H, recurrent_bias=True, dt=0.3, alpha=1.7), 2),
    ):
        carry = golden.draws(3, [(golden.BATCH, H)] * states)
        made |= golden.torch_case(name, stepped(module), golden.random_weights(module), carry)
    return made


def of_ncps():
    from ncps.torch import CfCCell, LTCCell
    from ncps.wirings import FullyConnected

    made = golden.version("ncps")
    carry = golden.draws(3, [(golden.BATCH, H)])

    cfc = CfCCell(F, H, backbone_units=BACKBONE)
    made |= golden.torch_case("cfc", stepped(cfc, ts=1.0), golden.random_weights(cfc), carry)

    ltc = LTCCell(
        FullyConnected(H), F, input_mapping=None, output_mapping=None, epsilon=0.0, implicit_param_constraints=True
    )
    weights = golden.random_weights(ltc)
    for name in ("sparsity_mask", "sensory_sparsity_mask"):  # of ones: all are connected with all
        del weights[name]

    def step(weights, state, x):
        ltc.double()._params.update(weights)  # what it computes with; `functional_call` does not reach it
        y, h = ltc(x, state[0], elapsed_time=1.0)
        return (h,), y

    made |= golden.torch_case("ltc", step, weights, carry)
    return made


LIBRARIES = {"torchrecurrent": of_torchrecurrent, "ncps": of_ncps}

if __name__ == "__main__":
    golden.write("stable", LIBRARIES)
