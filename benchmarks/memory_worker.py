"""One arrangement of one gradient in a process of its own.

Commands (benchmarks/serving.py), each a line of JSON:

  {"compile": [cell, [batch, time, input, hidden], arrangement]}
    -> {"temporary": bytes that the compiler plans for what isn't argument or result}
  {"run": null} runs it for the first time, checks the result
    -> {"growth": bytes of the resident set, benchmarks/resident.py}
  {"choose": seconds} and {"measure": repetitions}

A process is asked to compile once: nothing before it has left memory to be used again.
"""

import sys
from importlib import metadata

import jax

from benchmarks import resident
from benchmarks.entries import Shape
from benchmarks.memory_programs import check, compile_gradient
from benchmarks.serving import Here, answer_lines, answers_only
from rnn_research import command

PACKAGES = ("rnn_research", "jax", "jaxlib")


class Subject:
  """The program of this process, once it is compiled."""

  def carry_out(self, name, argument):
    """A command's name and argument to its answer."""
    if name == "compile":
      cell, sizes, arrangement = argument
      program, arguments = compile_gradient(cell, Shape(*sizes), arrangement)

      def way():
        return jax.block_until_ready(program(*arguments))

      # Starts the threads that running a program needs, and their stacks.
      jax.block_until_ready(jax.jit(lambda x: x @ x)(jax.numpy.ones((64, 64))))
      self._way, self._here = way, Here([way])
      return {"temporary": program.memory_analysis().temp_size_in_bytes}
    if name == "run":
      results = []
      grown = resident.growth(lambda: results.append(self._way()))
      check(results)
      return {"growth": grown}
    return self._here.ask({name: argument})


def main(_) -> int:
  """Serves on stdin and stdout."""
  answers = answers_only()
  versions = {package: metadata.version(package) for package in PACKAGES}
  answer_lines(Subject().carry_out, {"versions": versions}, sys.stdin, answers)
  return 0


if __name__ == "__main__":
  command.run(main)
