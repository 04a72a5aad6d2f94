"""Cells that torch.nn lacks: the papers' equations, one example and step at a time."""

import torch
from torch.nn.functional import layer_norm

from tests.oracles.cases import TIME, suffix


def gru_before(w, x, h, c):
  """Cho et al. 2014, with the update gate as PyTorch reads it."""
  w_r, w_z, w_n = w["weight_ih"].chunk(3)
  u_r, u_z, u_n = w["weight_hh"].chunk(3)
  b_r, b_z, b_n = (w["bias_ih"] + w["bias_hh"]).chunk(3)
  r = torch.sigmoid(w_r @ x + u_r @ h + b_r)
  z = torch.sigmoid(w_z @ x + u_z @ h + b_z)
  n = torch.tanh(w_n @ x + u_n @ (r * h) + b_n)
  return z * h + (1 - z) * n, c


def lstm(w, x, h, c):
  """Gers et al. 2002; coupled: Greff et al. 2016; norms: Ba et al. 2016, eq. 20-22."""
  from_input, from_hidden = w["weight_ih"] @ x, w["weight_hh"] @ h
  if "scale_input" in w:
    width = from_input.shape
    from_input = layer_norm(from_input, width, w["scale_input"], w["bias_input"])
    from_hidden = layer_norm(from_hidden, width, w["scale_hidden"], w["bias_hidden"])
  else:
    from_input = from_input + w["bias_ih"] + w["bias_hh"]
  gates = (from_input + from_hidden).chunk(len(from_input) // len(c))
  o, g, f = gates[-1], gates[-2], gates[-3]
  if "peephole_f" in w:
    f = f + w["peephole_f"] * c
  f = torch.sigmoid(f)
  if len(gates) == 4:
    i = gates[0]
    if "peephole_i" in w:
      i = i + w["peephole_i"] * c
    i = torch.sigmoid(i)
  else:
    i = 1 - f
  c = f * c + i * torch.tanh(g)
  if "peephole_o" in w:
    o = o + w["peephole_o"] * c
  seen = c
  if "scale_memory" in w:
    seen = layer_norm(c, c.shape, w["scale_memory"], w["bias_memory"])
  h = torch.sigmoid(o) * torch.tanh(seen)
  if "weight_hr" in w:
    h = w["weight_hr"] @ h
  return h, c


def run(case, weights, xs, carry, lengths):
  """(outputs, last carry); every example alone, for as long as it is."""
  step = gru_before if case.kind == "gru_before" else lstm
  last = {leaf: torch.zeros_like(value) for leaf, value in carry.items()}
  rows = []
  for b, length in enumerate(lengths.tolist()):
    sequence = list(xs[:length, b])
    for layer in range(case.layers):
      outputs = []
      for direction in range(case.directions):
        row = layer * case.directions + direction
        ending = suffix(layer, direction)
        w = {
          key.removesuffix(ending): value
          for key, value in weights.items()
          if key.endswith(ending)
        }
        h = carry["hidden"][row, b]
        c = carry["memory"][row, b] if "memory" in carry else None
        ys = []
        for x in reversed(sequence) if direction else sequence:
          h, c = step(w, x, h, c)
          ys.append(h)
        outputs.append(ys[::-1] if direction else ys)
        last["hidden"][row, b] = h
        if c is not None:
          last["memory"][row, b] = c
      sequence = [torch.cat(both) for both in zip(*outputs, strict=True)]
    width = case.directions * carry["hidden"].shape[-1]
    padding = torch.zeros(TIME - length, width, dtype=xs.dtype)
    rows.append(torch.stack([*sequence, *padding]))
  return torch.stack(rows, dim=1), last
