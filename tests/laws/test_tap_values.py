"""Law: every field of an event is what finite differences of a plain loop say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from rnn_research.cells import Tape
from rnn_research.norms import scaled_norm
from rnn_research.unroll import Measure, make_sinks, unroll
from tests.laws.closeness import assert_close, assert_same
from tests.laws.losses import loss, unoptimised
from tests.laws.plain_loop import at, plain_loop, rows_of
from tests.laws.subjects import TIME, subject

STEP = 1e-5
FIRST = 1e-4  # of differences of fourth order
DIFFERENCES = 1e-6
ROUNDING = 1e-12
TAPPED = (
  "elman",
  "gru",
  "gru_before",
  "lstm",
  "lstm_everything",
  "residual_zoneout",
)
both_ways = pytest.mark.parametrize(
  "reverse", [False, True], ids=["forward", "reverse"]
)


def everything(event):
  """The whole event; the sink of an integer could hold no cotangent."""
  fields = event._asdict()
  return fields | {"time": event.time.astype(event.adjoint[0].dtype)}


EVERYTHING = Measure(everything, lambda stacked: stacked._asdict())


def options(s, reverse):
  """What `unroll` and the plain loop are both told."""
  return dict(
    initial_carry=s.carry,
    lengths=s.lengths,
    resets=s.resets,
    reverse=reverse,
    key=s.key,
    context=s.context,
  )


def tapped(s, reverse):
  """Gradients of the parameters, and everything that was read."""
  sinks = make_sinks(EVERYTHING, s.cell, s.params, s.xs, s.carry, s.context)

  def value(params, sinks):
    found = unroll(
      s.cell, params, s.xs, taps=(EVERYTHING, sinks), **options(s, reverse)
    )
    return loss(*found)

  return unoptimised(jax.grad(value, (0, 1)))(s.params, sinks)


def central(function, tree):
  """Central differences of a scalar function, as a tree like its argument."""
  flat, back = ravel_pytree(tree)

  @unoptimised
  def all_directions(flat):
    def along(direction):
      step = STEP * direction
      return (function(back(flat + step)) - function(back(flat - step))) / (2 * STEP)

    return jax.vmap(along)(jnp.eye(flat.size, dtype=flat.dtype))

  return back(all_directions(flat))


@both_ways
@pytest.mark.parametrize("name", TAPPED)
def test_adjoints_are_finite_differences(float64, name, reverse):
  """Carry, projection, results and probes; LSTM c through both of its ways on."""
  s = subject(name, jnp.float64)
  inside = tapped(s, reverse)[1].inside
  fields = {name: inside[name] for name in ("adjoint", "projection", "products")}
  fields["probes"] = inside["probes"]
  assert set(fields["probes"]) == set(s.cell.probes)

  def perturbed(offsets):
    operations = dict(s.cell.products)

    def tape_at(t):
      def product(name, value):
        return operations[name](s.params[name], value) + offsets["products"][name][t]

      def probe(name, value):
        return value + offsets["probes"][name][t]

      return Tape(product, probe=probe)

    carry, outputs, _ = plain_loop(
      s.cell,
      s.params,
      s.xs,
      tape_at=tape_at,
      carry_offsets=offsets["adjoint"],
      projection_offsets=offsets["projection"],
      **options(s, reverse),
    )
    return loss(carry, outputs)

  zeros = jax.tree.map(jnp.zeros_like, fields)
  wanted = central(perturbed, zeros)
  assert_close(fields, wanted, DIFFERENCES)
  padding = np.arange(TIME)[:, None] >= s.lengths[None]
  for leaf in jax.tree.leaves(fields):
    assert_same(leaf[padding], np.zeros_like(leaf[padding]))
  assert_same(inside["time"], np.arange(TIME))


@both_ways
@pytest.mark.parametrize("name", TAPPED)
def test_one_step_back_and_its_direct_part(float64, name, reverse):
  """`adjoint_before` differentiates one step, `direct` one with results held."""
  s = subject(name, jnp.float64)
  inside = tapped(s, reverse)[1].inside
  valid = jnp.arange(TIME)[:, None] < s.lengths[None]
  xs = jnp.where(valid[..., None], s.xs, 0)
  projections = s.cell.project(s.params["input"], xs)
  noise = s.cell.noise(s.key, TIME, at(projections, 0))
  vectors = rows_of(s.cell, s.params, 2)
  operations = dict(s.cell.products)

  def stepped(start, held):
    """<adjoint, new carry> of each step and example, (time, batch)."""

    def one(start, projection, noise, adjoint):
      stored = {}

      def store(name, value):
        stored[name] = operations[name](s.params[name], value)
        return stored[name]

      def hold(name, value):
        return stored[name]

      def stepped_from(begin, product):
        tape = Tape(product)
        return s.cell.step(tape, vectors, begin, projection, noise, s.context)[0]

      new = stepped_from(start["at"], store)
      if held:
        new = stepped_from(start["moved"], hold)
      return sum((n * a).sum(-1) for n, a in zip(new, adjoint, strict=True))

    return jax.vmap(one)(start, projections, noise, inside["adjoint"])

  @unoptimised
  def differences(start):
    found = {}
    for field, held in (("adjoint_before", False), ("direct", True)):

      def along(moved, held=held):
        base = start if held else moved
        return stepped({"at": base, "moved": moved}, held)

      leaves = {}
      for leaf, entries in start._asdict().items():
        columns = []
        for unit in jnp.eye(entries.shape[-1], dtype=entries.dtype):
          up = start._replace(**{leaf: entries + STEP * unit[None, None]})
          down = start._replace(**{leaf: entries - STEP * unit[None, None]})
          columns.append((along(up) - along(down)) / (2 * STEP))
        leaves[leaf] = jnp.stack(columns, axis=-1)
      found[field] = type(start)(**leaves)
    return found

  wanted = differences(inside["start"])
  got = {field: inside[field] for field in wanted}
  assert_close(got, wanted, DIFFERENCES)


@both_ways
@pytest.mark.parametrize("name", TAPPED)
def test_gates_and_multiplied_values_are_the_forward_ones(float64, name, reverse):
  s = subject(name, jnp.float64)
  inside = tapped(s, reverse)[1].inside
  operations = dict(s.cell.products)
  multiplied = [{} for _ in range(TIME)]

  def tape_at(t):
    def product(name, value):
      multiplied[t][name] = value
      return operations[name](s.params[name], value)

    return Tape(product)

  _, _, gates = plain_loop(
    s.cell, s.params, s.xs, tape_at=tape_at, **options(s, reverse)
  )
  values = jax.tree.map(lambda *steps: jnp.stack(steps), *multiplied)
  valid = np.arange(TIME)[:, None] < s.lengths[None]
  got, wanted = jax.tree.map(
    lambda leaf: leaf[valid],
    ((inside["gates"], inside["values"]), (gates, values)),
  )
  assert_close(got, wanted, ROUNDING)


@both_ways
@pytest.mark.parametrize("name", TAPPED)
def test_weight_gradients_of_single_steps(float64, name, reverse):
  """Rank one per step and example; their norms, and their sum, the gradient."""
  s = subject(name, jnp.float64)
  gradients, readings = tapped(s, reverse)
  after = dict(readings.after)
  assert_close(after.pop("inside"), readings.inside, ROUNDING)
  assert_close(after, {field: readings.inside[field] for field in after}, ROUNDING)
  batch = s.xs.shape[1]
  copies = {
    name: jnp.broadcast_to(
      s.params[name]["kernel"], (TIME, batch, *s.params[name]["kernel"].shape)
    )
    for name, _ in s.cell.products
  }

  @unoptimised
  @jax.grad
  def of_each_step(copies):
    def tape_at(t):
      def product(name, value):
        result = jnp.einsum("bi,bio->bo", value, copies[name][t])
        bias = s.params[name].get("bias", jnp.zeros(0))
        missing = result.shape[-1] - bias.shape[-1]
        return result + jnp.pad(bias, (missing, 0))[None]

      return Tape(product)

    carry, outputs, _ = plain_loop(
      s.cell, s.params, s.xs, tape_at=tape_at, **options(s, reverse)
    )
    return loss(carry, outputs)

  for name, formed in of_each_step(copies).items():
    norms = scaled_norm(after["products"][name], 2) * scaled_norm(
      after["values"][name], 2
    )
    assert_close(norms, jnp.sqrt((formed**2).sum((2, 3))), ROUNDING)
    assert_close(gradients[name]["kernel"], formed.sum((0, 1)), ROUNDING)


@pytest.mark.parametrize("name", ["elman", "gru_before", "lstm_everything"])
def test_what_is_read_of_gates_and_values_has_a_derivative(float64, name):
  """They are played back for all steps at once: against differences of a step."""
  s = subject(name, jnp.float64)
  xs = jax.random.normal(jax.random.key(3), s.xs.shape, s.xs.dtype)
  measure = Measure(after=lambda stacked: (stacked.gates, stacked.values))
  sinks = make_sinks(measure, s.cell, s.params, xs, s.carry, s.context)

  def read(params):
    def value(sinks):
      given = dict(initial_carry=s.carry, context=s.context, taps=(measure, sinks))
      return loss(*unroll(s.cell, params, xs, **given))

    leaves = jax.tree.leaves(jax.grad(value)(sinks).after)
    return sum((leaf**2).sum() for leaf in leaves)

  flat, whole = ravel_pytree(s.params)
  direction = jax.random.normal(jax.random.key(4), flat.shape, flat.dtype)
  found = ravel_pytree(unoptimised(jax.grad(read))(s.params))[0] @ direction
  value = unoptimised(lambda step: read(whole(flat + step * direction)))
  near, far = (value(h) - value(-h) for h in (FIRST, 2 * FIRST))
  # Of fourth order: what is left of a curved function is below the tolerance.
  wanted = (8 * near - far) / (12 * FIRST)
  np.testing.assert_allclose(found, wanted, rtol=DIFFERENCES)
