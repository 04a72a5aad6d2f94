"""Contributions by lag, the fork of a step, and what a step must be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.diagnostics import unit_statistics
from rnn_research.diagnostics.own import diagnose, step_trace
from rnn_research.diagnostics.own.contribution import contributions
from rnn_research.diagnostics.own.fork import output_from
from rnn_research.diagnostics.own.run import passes, read_by_loss
from rnn_research.errors import StepError
from tests.laws.losses import unoptimised

TIME, BATCH, SIZE, TOKENS = 6, 4, 3, 5
LENGTHS = np.array([TIME, 4, 1, TIME])


def step(params, carry, token):
  """A leaky network over tokens; its carry is a dictionary."""
  x = params["embedding"][token]
  fast = jnp.tanh(x + carry["fast"] @ params["kernel"] + carry["slow"])
  slow = 0.9 * carry["slow"] + 0.1 * fast
  return {"fast": fast, "slow": slow}, (fast * slow) @ params["head"]


def loss(carry, ys):
  """The last carry, which stands still on padding."""
  return (carry["fast"] ** 2).sum(-1) + jnp.sin(carry["slow"]).sum(-1)


def made(dtype=float):
  """Parameters, carry and tokens."""
  k = jax.random.split(jax.random.key(2), 5)
  params = {
    "embedding": jax.random.normal(k[0], (TOKENS, SIZE), dtype),
    "kernel": 0.7 * jax.random.normal(k[1], (SIZE, SIZE), dtype),
    "head": jax.random.normal(k[2], (SIZE, 2), dtype),
  }
  carry = dict(
    zip(("fast", "slow"), jax.random.normal(k[3], (2, BATCH, SIZE), dtype), strict=True)
  )
  return params, carry, jax.random.randint(k[4], (TIME, BATCH), 0, TOKENS)


def by_example_and_lag(params, carry, xs, reads_output):
  """G_k^b from gradients that are cut K steps before the example's end."""

  def cut_loss(params, b, reach):
    now = jax.tree.map(lambda leaf: leaf[b : b + 1], carry)
    y = None
    for t in range(LENGTHS[b]):
      if t == LENGTHS[b] - reach:
        now = jax.lax.stop_gradient(now)
      used = params if t >= LENGTHS[b] - reach else jax.lax.stop_gradient(params)
      now, y = step(used, now, xs[t, b : b + 1])
    return (y**2).sum() if reads_output else loss(now, None)[0]

  @unoptimised
  def gradients(params):
    return [
      [jax.grad(cut_loss)(params, b, reach) for reach in range(1, LENGTHS[b] + 1)]
      for b in range(BATCH)
    ]

  found = {name: np.zeros((TIME, BATCH, *leaf.shape)) for name, leaf in params.items()}
  for b, heads in enumerate(gradients(params)):
    before = {name: 0.0 for name in params}
    for lag, head in enumerate(heads):
      for name in params:
        found[name][lag, b] = np.asarray(head[name]) - before[name]
      before = {name: np.asarray(head[name]) for name in params}
  return found


def figures(summands):
  """The definitions, written out for one leaf: (lags, batch, entries)."""
  lag = summands.mean(1)
  whole = lag.sum(0)
  size = np.linalg.norm(whole)
  tail = np.array([lag[k:].sum(0) for k in range(TIME + 1)])
  head = np.array([lag[:k].sum(0) for k in range(TIME + 1)])
  norms = np.linalg.norm(lag, axis=1)
  noise = (summands**2).sum((1, 2))
  with np.errstate(invalid="ignore"):
    return (
      size,
      np.linalg.norm(tail, axis=1) / size,
      head @ whole / (np.linalg.norm(head, axis=1) * size),
      lag @ whole / size**2,
      norms / norms.sum(),
      ((summands.sum(1) ** 2).sum(1) - noise) / ((BATCH - 1) * noise),
    )


def test_a_step_without_output_has_a_loss_on_its_carry(float64):
  params, carry, xs = made()

  def silent(params, carry, x):
    return step(params, carry, x)[0], ()

  @unoptimised
  def program(params):
    found = passes(silent, params, carry, xs, loss, None)
    before = jax.tree.map(lambda leaf: leaf[-1], found.starts)
    last, _ = step(params, before, xs[-1])
    return found.adjoint["fast"][-1], 2 * last["fast"], read_by_loss(found)

  adjoint, slope, read = program(params)
  np.testing.assert_allclose(adjoint, slope, rtol=1e-12)
  assert not read.any()


@pytest.mark.parametrize("reads_output", [False, True])
def test_contributions_against_gradients_that_are_cut(float64, reads_output):
  """Each example by itself; lengths 6, 4, 1 and 6, tokens, a dictionary as carry."""
  params, carry, xs = made()
  wanted = by_example_and_lag(params, carry, xs, reads_output)

  def last_output(carry, ys):
    rows = ys[LENGTHS - 1, np.arange(BATCH)]
    return (rows**2).sum(-1)

  @unoptimised
  def program(params):
    asked = last_output if reads_output else loss
    found = passes(step, params, carry, xs, asked, jnp.asarray(LENGTHS))
    return found.gradient, contributions(step, params, found, jnp.asarray(LENGTHS))

  gradient, found = program(params)
  flat = {name: leaf.reshape(TIME, BATCH, -1) for name, leaf in wanted.items()}
  flat["all"] = np.concatenate(list(flat.values()), axis=-1)
  assert found.keys() == flat.keys()
  for name, summands in flat.items():
    if not summands.any():  # the head of a loss that reads no output
      assert name == "head" and not reads_output and found[name].norm == 0
      continue
    for field, got, right in zip(
      found[name]._fields, found[name], figures(summands), strict=True
    ):
      message = f"{name} {field}"
      np.testing.assert_allclose(got, right, rtol=1e-9, atol=1e-11, err_msg=message)
    np.testing.assert_allclose(found[name].signed_share.sum(), 1, rtol=1e-12)
  for name, leaf in gradient.items():
    right = wanted[name].mean(1).sum(0)
    np.testing.assert_allclose(leaf, right, rtol=1e-9, atol=1e-12)


def forking(params, carry, x):
  """y = x sin(h) + c, h the new carry and c the old one."""
  new = jnp.tanh(params * carry + x)
  return new, x * jnp.sin(new) + carry


def inner(params, carry, x):
  """The same, wrapped twice below the top."""
  return jax.jit(jax.checkpoint(forking))(params, carry, x)


@pytest.mark.parametrize(
  "wrapped", [forking, jax.jit(forking), jax.checkpoint(forking), inner]
)
def test_the_output_is_evaluated_from_a_carry_that_is_given(float64, wrapped):
  params, carry, x, new = jnp.array([[0.3], [1.1], [-0.4], [2.5]])
  found = output_from(wrapped, params, carry, x, new)
  np.testing.assert_allclose(found, x * np.sin(new) + carry, rtol=1e-14)
  slope = jax.grad(lambda new: output_from(wrapped, params, carry, x, new).sum())(new)
  np.testing.assert_allclose(slope, x * np.cos(new), rtol=1e-14)


def test_a_fork_inside_of_a_loop_is_refused():
  def hidden(params, carry, x):
    def body(now, _):
      now = jnp.tanh(params * now + x)
      return now, now

    new, ys = jax.lax.scan(body, carry, length=2)
    return new, ys[-1]

  with pytest.raises(StepError, match="come out of one scan"):
    output_from(hidden, *jnp.ones((4, 1)))


def changed(**changes):
  """Arguments of `diagnose`, all right but for the changes."""
  params, carry, xs = made()
  right = dict(step=step, params=params, carry=carry, xs=xs, loss=loss)
  return right | changes


def mixing(params, carry, x):
  """Batch norm, without its scale."""
  new, y = step(params, carry, x)
  return new | {"fast": new["fast"] - new["fast"].mean(0, keepdims=True)}, y


def mixing_outputs(params, carry, x):
  new, y = step(params, carry, x)
  return new, y - y.mean(0, keepdims=True)


def rounded(params, carry, x):
  new, y = step(params, carry, x)
  return {name: leaf.astype(jnp.float16) for name, leaf in new.items()}, y


halves = {"fast": jnp.zeros((BATCH, 2), jnp.bfloat16), "slow": jnp.zeros((BATCH, 2))}


@pytest.mark.parametrize(
  "changes, message",
  [
    ({"step": mixing}, "step: what it returns of an example depends on another"),
    ({"step": mixing_outputs}, "step: what it returns of an example depends"),
    ({"step": lambda p, c, x: c}, "step: it returns dict"),
    ({"step": rounded}, "step: its new carry is .*float16"),
    ({"step": lambda p, c, x: (c, x)}, "step: output: int32 has no derivative"),
    ({"loss": lambda c, ys: loss(c, ys).mean()}, r"loss: its shape is \(\)"),
    ({"loss": lambda c, ys: loss(c, ys)[::-1]}, "loss: an example's depends"),
    ({"carry": {"n": jnp.zeros((BATCH,), int)}}, r"carry\['n'\]: int32 has no"),
    ({"carry": {"n": jnp.zeros((2, 3))}}, r"carry\['n'\]: shape \(2, 3\) does not"),
    ({"params": jnp.zeros(2, int)}, "params: int32 has no derivative"),
    ({"carry": halves}, "carry: its leaves are bfloat16 and float32; keep it in"),
    ({"carry": {"n": halves["fast"]}}, "carry: its leaves are bfloat16; keep it in"),
    ({"carry": {}}, "carry: its leaves are none"),
  ],
)
def test_what_no_definition_holds_for_is_refused_in_one_line(changes, message):
  with pytest.raises(StepError, match=message) as raised:
    diagnose(**changed(**changes))
  assert "\n" not in str(raised.value)


def test_what_reads_one_part_of_a_step_refuses_it():
  params, carry, xs = made()
  with pytest.raises(StepError, match="names no recurrent products and gates"):
    unit_statistics(step_trace(step, params, carry, xs))
