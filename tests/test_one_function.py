"""Laws of one function for many operations: the same results, or it is left alone."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from rnn_research.cells import CELLS, LSTM
from rnn_research.one_function import MANY, MARKS, one_function
from rnn_research.unroll import unroll
from tests.laws.closeness import assert_close

X = jnp.linspace(-1.0, 1.0, 96).reshape(8, 12)

PLAIN = {
  "what only others do is a library's": lambda x: lax.platform_dependent(
    x, tpu=lambda x: jnp.sort(x, 0), default=jnp.sin
  ),
  "of two platforms": lambda x: lax.platform_dependent(
    x, cpu=jnp.cos, default=lambda x: x @ x.T @ x
  ),
  "activations": lambda x: jnp.tanh(x) * jax.nn.sigmoid(x) + jax.nn.softplus(x),
  "softmax": lambda x: jax.nn.softmax(x),
  "layer norm": lambda x: (
    (x - x.mean(-1, keepdims=True)) * lax.rsqrt(x.var(-1))[:, None]
  ),
  "vector x matrix": lambda x: x[:1] @ x.T,
  "outer product": lambda x: x[:, :1] @ x[:1],
  "attention of one": lambda x: jnp.einsum("bh,bsh->bs", x[:1], x[None]),
  "draws": lambda x: jax.random.normal(jax.random.key(3), x.shape) + x,
  "loop": lambda x: lax.fori_loop(0, 3, lambda i, c: c + i * x, x),
  "branch": lambda x: lax.cond(x[0, 0] > 0, lambda: x.sum(), lambda: x.max()),
  "few entries": lambda x: jnp.tile(x.reshape(-1), 43)[: MANY - 1].max(),
}
# Each of these ends in an error of the compiler, if it is asked for as one function.
NOT_PLAIN = {
  "what only a CPU does is a library's": lambda x: lax.platform_dependent(
    x, cpu=lambda x: jnp.sort(x, 0), default=jnp.sin
  ),
  "matrix x matrix": lambda x: x @ x.T,
  "many products": lambda x: jnp.einsum("bij,bkj->bik", x.reshape(2, 4, 12), x[None, :4]
    * jnp.ones((2, 1, 1))),
  "many entries": lambda x: jnp.tile(x.reshape(-1), 43)[:MANY].sum(),
  "long inner product": lambda x: jnp.tile(x.reshape(-1), 43) @ jnp.ones(96 * 43),
  "sort": lambda x: jnp.sort(x),
  "largest of all": lambda x: lax.top_k(x, 3)[0],
  "scatter": lambda x: x.at[jnp.arange(5), jnp.arange(5)].add(1.0),
  "solve": lambda x: jnp.linalg.solve(jnp.eye(8) + x[:, :8], x[:, 0]),
  "Fourier": lambda x: jnp.fft.fft(x).real,
  "in a loop": lambda x: lax.fori_loop(0, 3, lambda i, c: c @ c.T @ c, x),
}  # fmt: skip


def calls(function, x):
  """How many calls of one function the compiled program has."""
  compiled = jax.jit(function).lower(x).compile().as_text()
  return sum(
    " call(" in line and all(mark in line for mark in MARKS)
    for line in compiled.splitlines()
  )


# Most of these aborted the compiler: constants, and what turns out to be unused.
HARD = {
  "a constant": lambda x, call: call(jnp.matmul, x[:1], jnp.ones((12, 20)) / 3),
  "a constant in a loop": lambda x, call: call(
    lambda rows, row: lax.scan(lambda c, r: (c + r, c * r), row, rows), X, x[0]
  ),
  "a constant closed over": lambda x, call: call(lambda x: x[:1] @ X.T, x),
  "times zero": lambda x, call: call(
    lambda x, number: lax.scan(
      lambda c, r: (c + r[0].sum() + 0 * r[1], 2 * r[0]), 0, (x, number)
    ),
    (100 * x).astype(int),
    (x[:, 0] * 3).astype(int),
  ),
  "a result nobody reads": lambda x, call: call(lambda x, y: (x + 1, 2 * y), x, X)[0],
  "no entries": lambda x, call: call(lambda x, y: (x, y), x, x[:0]),
  "a key": lambda x, call: call(
    lambda key, x: x + jax.random.uniform(key, x.shape), jax.random.key(0), x
  ),
}


def plainly(function, *args):
  """What `one_function` is compared with."""
  return function(*args)


@pytest.mark.parametrize("name", HARD)
def test_arguments_that_abort_the_compiler_are_hidden(name):
  def run(call):
    return lambda x: HARD[name](x, call)

  assert calls(run(one_function), X) == 1
  assert_close(jax.jit(run(one_function))(X), jax.jit(run(plainly))(X), 1e-6)


def alone(call):
  """Of one sequence, whose products are those of vectors."""

  def run(x):
    weights = jnp.linspace(-0.3, 0.4, 144, dtype=x.dtype).reshape(12, 12)
    return call(
      lambda x, w: lax.scan(lambda h, r: 2 * (jnp.tanh(r + h @ w),), x[0], x),
      x,
      weights,
    )[1]

  return run


@pytest.mark.parametrize(
  "transformed",
  [
    lambda f: lambda x: jax.vmap(f)(jnp.stack([x, 2 * x, -x])),
    jax.jacfwd,
    jax.jacrev,
    lambda f: jax.jacfwd(jax.jacrev(f)),
    lambda f: jax.grad(lambda x: (f(x) ** 2).sum()),
    lambda f: jax.checkpoint(f),
  ],
  ids=["vmap", "jacfwd", "jacrev", "hessian", "grad", "checkpoint"],
)
def test_it_is_followed_as_any_other_function(float64, transformed):
  """Batched, its products are of matrices, and no code for one function any more."""
  x = jnp.asarray(X, jnp.float64)[:3]
  found = jax.jit(transformed(alone(one_function)))(x)
  assert_close(found, jax.jit(transformed(alone(plainly)))(x), 1e-13)


@pytest.mark.parametrize("cell", CELLS)
def test_weights_that_are_constants_take_a_single_sequence(cell):
  """As in a program that closes over a trained layer."""
  subject = CELLS[cell]()
  params = subject.init(jax.random.key(0), 3, 8)
  xs = jax.random.normal(jax.random.key(1), (9, 1, 3))

  def run(params, xs):
    return unroll(subject, params, xs)[1]

  assert_close(jax.jit(lambda xs: run(params, xs))(xs), jax.jit(run)(params, xs), 1e-6)
  many = jnp.stack([xs, 2 * xs])
  found = jax.jit(jax.vmap(lambda xs: run(params, xs)))(many)
  assert_close(found, jnp.stack([run(params, xs) for xs in many]), 1e-6)


@pytest.mark.parametrize("name", [*PLAIN, *NOT_PLAIN])
def test_plain_code_alone_is_one_function_and_all_is_the_same(name):
  function = (PLAIN | NOT_PLAIN)[name]

  def whole(x):
    return one_function(function, x)

  assert calls(whole, X) == (name in PLAIN)
  assert_close(jax.jit(whole)(X), jax.jit(function)(X), 1e-6)


def test_a_wide_normalised_layer_takes_a_single_sequence():
  """Its sums over the gates of all units are too long for one function."""
  cell, hidden = LSTM(layer_norm=True), MANY // 4
  shapes = jax.eval_shape(lambda key: cell.init(key, 3, hidden), jax.random.key(0))
  params = jax.tree.map(
    lambda s: 0.03 * jax.random.normal(jax.random.key(s.size), s.shape), shapes
  )
  xs = jax.random.normal(jax.random.key(1), (4, 1, 3))
  run = jax.jit(lambda params, xs: unroll(cell, params, xs)[1])
  assert_close(run(params, xs), run(params, jnp.repeat(xs, 2, axis=1))[:, :1], 1e-5)
