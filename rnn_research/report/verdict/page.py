"""The verdict on one run: a self-contained page, and the same in plain text."""

import html
import os
import re
import shlex
import textwrap
from importlib import resources
from pathlib import Path

import matplotlib

from rnn_research.report import glossary, style, wording
from rnn_research.report.figures import heat_maps, ledger, spectrum
from rnn_research.report.picture import Picture, save
from rnn_research.report.verdict import (
  gates,
  lags,
  seeds,
  starts,
  time_steps,
  timeline,
  truncation,
)
from rnn_research.report.verdict.records import PAGE, Diagnosis, read_diagnosis
from rnn_research.report.verdict.sentences import alarm_line, headline, sentences

COLUMNS = 88
# of a diagnosis, and behind them those that every study has
FIGURES = (timeline, starts, lags, truncation, time_steps, gates)
STUDY_FIGURES = (heat_maps, spectrum, ledger)


def write(path: Path | str) -> Path:
  """Write `verdict.html` and its figures into a run directory.

  Returns:
    The path of the page.

  Raises:
    WorkdirError: the directory holds no run.
  """
  found = read_diagnosis(path)
  folder = found.run.path / "figures"
  with matplotlib.rc_context(style.RC):
    drawn = [module.draw(found) for module in FIGURES]
    drawn += [module.draw(found.study) for module in STUDY_FIGURES]
    pictures = [picture for picture in drawn if picture is not None]
    figures = [
      _figure(picture, save(picture, folder), number, found)
      for number, picture in enumerate(pictures, 1)
    ]
  file = found.run.path / PAGE
  unfinished = file.with_suffix(".html.part")
  unfinished.write_text(_page(found, figures), encoding="utf-8")
  os.replace(unfinished, file)
  return file


def plain(path: Path | str) -> str:
  """The findings of a run directory, for a terminal.

  Raises:
    WorkdirError: the directory holds no run.
  """
  found = read_diagnosis(path)
  lines = [*_wrap(f"{_title(found)}. {headline(found)}"), ""]
  for number, (topic, text, limits) in enumerate(sentences(found), 1):
    lines += _wrap(f"{number}. {topic}. {text}", "   ")
    lines += [*_wrap(f"   What this does not show: {limits}", "   "), ""]
  for alarm in found.alarms:
    lines += _wrap(f"ALARM {alarm.name}. {alarm.sentence} To do: {alarm.remedy}.")
  return "\n".join([*lines, *_wrap(alarm_line(found))])


def _wrap(text: str, indent: str = "") -> list[str]:
  return textwrap.wrap(text, COLUMNS, subsequent_indent=indent)


def _title(found: Diagnosis) -> str:
  arm = found.arm
  problem = arm.problem.replace("_", " ")
  length = "" if arm.length is None else f", T = {arm.length}"
  return f"{style.cell_name(arm)} on {problem}{length}"


def _page(found: Diagnosis, figures: list[str]) -> str:
  here = resources.files("rnn_research.report")
  css = "".join(
    (here / name).read_text(encoding="utf-8")
    for name in ("page.css", "verdict/page.css")
  )
  title = html.escape(f"Verdict: {_title(found)}")
  run = found.run
  state = html.escape(
    f"{wording.plural(run.seeds, 'seed')} · {run.steps:,} steps · run {run.state} ·"
    f" {wording.duration(float(run.status.get('seconds') or 0))} of training"
  )
  findings = "".join(
    f"<dt>{html.escape(topic)}</dt><dd><p>{_flags(glossary.mark(text))}</p>"
    "<p class='limits'><b>What this does not show:</b>"
    f" {glossary.mark(limits)}</p></dd>"
    for topic, text, limits in sentences(found)
  )
  return "\n".join(
    [
      "<!doctype html>",
      "<html lang='en'><head><meta charset='utf-8'>",
      "<meta name='viewport' content='width=device-width, initial-scale=1'>",
      f"<title>{title}</title><style>{css}</style></head><body><main>",
      f"<header><h1>{title}</h1><p class='lead'>{glossary.mark(headline(found))}</p>",
      f"<p class='state'>{state}</p>{_alarms(found)}</header>",
      f"<dl class='findings'>{findings}</dl>",
      *figures,
      seeds.draw(found),
      f"<section class='glossary'><h2>Terms</h2>{glossary.listed()}</section>",
      "</main></body></html>",
    ]
  )


def _flags(text: str) -> str:
  """Flags as they are typed, in one piece."""
  return re.sub(r"--config[^\s(]*", lambda m: f"<code>{m.group(0)}</code>", text)


def _alarms(found: Diagnosis) -> str:
  line = f"<p class='calm'>{html.escape(alarm_line(found))}</p>"
  if not found.alarms:
    return line
  items = "".join(
    f"<p><b class='alarm'>Alarm: {html.escape(alarm.name)}.</b>"
    f" {html.escape(alarm.sentence)} To do: {html.escape(alarm.remedy)}.</p>"
    for alarm in found.alarms
  )
  return f"<div class='alarms'>{items}</div>{line}"


def _figure(picture: Picture, svg: str, number: int, found: Diagnosis) -> str:
  caption = "".join(f"<p>{glossary.mark(line)}</p>" for line in picture.caption)
  return (
    f"<figure id='{picture.name}'><h2><span>Figure {number}.</span>"
    f" {html.escape(picture.title)}</h2>{svg}<figcaption>{caption}"
    f"<p class='limits'><b>What this does not show:</b>"
    f" {glossary.mark(picture.limits)}</p>"
    "<details><summary>Reproduce this figure</summary>"
    f"<pre>{html.escape(_commands(found))}</pre></details></figcaption></figure>"
  )


def _commands(found: Diagnosis) -> str:
  """How the run was trained, and how it is diagnosed."""
  command = found.run.environment.get("command")
  lines = [shlex.join(map(str, command))] if command else []
  again = f"python -m experiments.diagnose --run={shlex.quote(str(found.run.path))}"
  return "\n".join([*lines, again])
