"""Weight maps: the parameters of another library, in its layout, to ours.

Each map is linear, so differentiating through it gives gradients in the other
library's layout. Rows of PyTorch's matrices are gates: r, z, n and i, f, g, o, as
ours. Keras orders a GRU z, r, n, ONNX z, r, n and i, o, f, g.
"""

import jax.numpy as jnp


def torch_rnn(w):
  """Two biases, of which only the sum matters."""
  return {
    "input": {"kernel": w["weight_ih"].T, "bias": w["bias_ih"] + w["bias_hh"]},
    "hidden": {"kernel": w["weight_hh"].T},
  }


def torch_gru(w):
  """b_hn stands inside of r * (...) and stays apart; the others merge."""
  size = w["weight_hh"].shape[1]
  gates = jnp.concatenate(
    [w["bias_hh"][: 2 * size], jnp.zeros_like(w["bias_hh"][:size])]
  )
  return {
    "input": {"kernel": w["weight_ih"].T, "bias": w["bias_ih"] + gates},
    "hidden": {"kernel": w["weight_hh"].T, "bias": w["bias_hh"][2 * size :]},
  }


def gru_before(w):
  """Reset before the product: all biases merge, the candidate is its own."""
  size = w["weight_hh"].shape[1]
  kernel = w["weight_hh"].T
  return {
    "input": {"kernel": w["weight_ih"].T, "bias": w["bias_ih"] + w["bias_hh"]},
    "gates": {"kernel": kernel[:, : 2 * size]},
    "candidate": {"kernel": kernel[:, 2 * size :]},
  }


def torch_lstm(w):
  """Also with a projection, peepholes or coupled gates (rows f, g, o)."""
  params = torch_rnn(w)
  if "weight_hr" in w:
    params["projection"] = {"kernel": w["weight_hr"].T}
  peepholes = {g: w[f"peephole_{g}"] for g in "ifo" if f"peephole_{g}" in w}
  return params | ({"peephole": peepholes} if peepholes else {})


def lstm_layer_norm(w):
  """The gains and biases of three norms; no bias before them."""
  params = torch_lstm(w | {"bias_ih": w["bias_input"], "bias_hh": w["bias_hidden"]})
  bias = params["input"].pop("bias")
  return params | {
    "norm_input": {"scale": w["scale_input"], "bias": bias},
    "norm_hidden": {"scale": w["scale_hidden"]},
    "norm_memory": {"scale": w["scale_memory"], "bias": w["bias_memory"]},
  }


def reordered(columns, order, axis=-1):
  """Equal blocks of an axis in another order."""
  blocks = jnp.split(columns, len(order), axis=axis)
  return jnp.concatenate([blocks[n] for n in order], axis=axis)


def keras_rnn(w):
  """Kernels as ours."""
  return {
    "input": {"kernel": w["kernel"], "bias": w["bias"]},
    "hidden": {"kernel": w["recurrent_kernel"]},
  }


def keras_gru(w):
  """reset_after=True: z, r, n, and one bias for each matrix."""
  order = (1, 0, 2)
  bias, recurrent_bias = (reordered(row, order) for row in w["bias"])
  return torch_gru(
    {
      "weight_ih": reordered(w["kernel"], order).T,
      "weight_hh": reordered(w["recurrent_kernel"], order).T,
      "bias_ih": bias,
      "bias_hh": recurrent_bias,
    }
  )


def keras_gru_before(w):
  """reset_after=False: z, r, n, one bias."""
  order = (1, 0, 2)
  bias = reordered(w["bias"], order)
  return gru_before(
    {
      "weight_ih": reordered(w["kernel"], order).T,
      "weight_hh": reordered(w["recurrent_kernel"], order).T,
      "bias_ih": bias,
      "bias_hh": jnp.zeros_like(bias),
    }
  )


def onnx_rows(w, order):
  """One direction of ONNX: W, R, and B = [Wb, Rb], in our order of gates."""
  bias_ih, bias_hh = jnp.split(w["B"], 2)
  return {
    "weight_ih": reordered(w["W"], order, 0),
    "weight_hh": reordered(w["R"], order, 0),
    "bias_ih": reordered(bias_ih, order),
    "bias_hh": reordered(bias_hh, order),
  }


def onnx_lstm(w):
  """i, o, f, c; peepholes i, o, f."""
  rows = onnx_rows(w, (0, 2, 3, 1))
  if "P" in w:
    i, o, f = jnp.split(w["P"], 3)
    rows |= {"peephole_i": i, "peephole_f": f, "peephole_o": o}
  return torch_lstm(rows)


def onnx_lstm_coupled(w):
  """input_forget=1: f = 1 - i, so our f is 1 - sigma(rows of i); those of f idle."""

  def forget_candidate_output(rows):
    i, _, g, o = jnp.split(rows, 4)
    return jnp.concatenate([-i, g, o])

  rows = onnx_rows(w, (0, 2, 3, 1))
  return torch_lstm({name: forget_candidate_output(r) for name, r in rows.items()})


def onnx_gru(w):
  """z, r, n; linear_before_reset=1."""
  return torch_gru(onnx_rows(w, (1, 0, 2)))


def onnx_gru_before(w):
  """z, r, n; linear_before_reset=0."""
  return gru_before(onnx_rows(w, (1, 0, 2)))


def onnx_rnn(w):
  """No gates."""
  return torch_rnn(onnx_rows(w, (0,)))


def linen_lstm(w):
  """ii, if, ig, io without bias; hi, hf, hg, ho with."""
  return {
    "input": {
      "kernel": jnp.concatenate([w[f"i{g}"]["kernel"] for g in "ifgo"], axis=1),
      "bias": jnp.concatenate([w[f"h{g}"]["bias"] for g in "ifgo"]),
    },
    "hidden": {
      "kernel": jnp.concatenate([w[f"h{g}"]["kernel"] for g in "ifgo"], axis=1)
    },
  }


def linen_gru(w):
  """ir, iz, in with bias; hr, hz without, hn with."""
  return {
    "input": {
      part: jnp.concatenate([w[f"i{g}"][part] for g in "rzn"], axis=-1)
      for part in ("kernel", "bias")
    },
    "hidden": {
      "kernel": jnp.concatenate([w[f"h{g}"]["kernel"] for g in "rzn"], axis=1),
      "bias": w["hn"]["bias"],
    },
  }


def linen_rnn(w):
  """i with bias, h without."""
  return {"input": dict(w["i"]), "hidden": {"kernel": w["h"]["kernel"]}}
