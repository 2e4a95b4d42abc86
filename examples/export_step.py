"""A cell that runs step by step in a process that has JAX alone, as a server or a robot would run it.

python examples/export_step.py
"""

import pathlib
import subprocess
import sys
import tempfile

import jax
import jax.numpy as jnp

import rnnjax
from rnnjax.export import export_step

SERVER = """
import sys, zipfile
import jax.export, jax.numpy as jnp

with zipfile.ZipFile(sys.argv[1]) as file:
    carry = jax.export.deserialize(bytearray(file.read("initial_carry"))).call()
    step = jax.export.deserialize(bytearray(file.read("step"))).call

for t in range(3):
    carry, y = step(carry, jnp.full((1, 4), t / 10))
    print("step", t, "output", [round(float(value), 4) for value in y[0]])
print("rnnjax was imported:", "rnnjax" in sys.modules)
"""

cell = rnnjax.Stack((rnnjax.LSTM(8), rnnjax.GRU(3)))
params = cell.init(jax.random.key(0), in_features=4)

with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "step.zip"
    export_step(cell, params, in_features=4, batch_shape=(1,), path=path)
    print("the file has", path.stat().st_size, "bytes and runs on CPU, CUDA and TPU")
    served = subprocess.run([sys.executable, "-c", SERVER, str(path)], check=True, capture_output=True, text=True)
    print(served.stdout, end="")

xs = jnp.broadcast_to(jnp.arange(3)[:, None] / 10, (1, 3, 4))
_, ys = rnnjax.unroll(cell, params, xs)
print("the last output by unroll:", [round(float(value), 4) for value in ys[0, -1]])
