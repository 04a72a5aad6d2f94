"""One self-contained HTML page of a study: no script, no network."""

import html
import itertools
import json
import os
import re
import shlex
from importlib import resources
from pathlib import Path
from string import Template

import matplotlib

from rnn_research.report import glossary, lead, style, wording
from rnn_research.report.figures import (
  dose_response,
  doses,
  heat_maps,
  lag_curves,
  learning_curves,
  ledger,
  opening,
  spectrum,
  survival,
)
from rnn_research.report.picture import Picture, save
from rnn_research.report.study import Arm, Study, read_study
from rnn_research.report.tables import (
  arms,
  comparisons,
  digits,
  episodes,
  initialisation,
  runs,
)
from rnn_research.report.tables import doses as doses_table

FIGURES = (
  doses,
  opening,
  dose_response,
  lag_curves,
  spectrum,
  heat_maps,
  learning_curves,
  survival,
  ledger,
)
# which table stands under which figure
TABLES = {
  "doses": doses_table,
  "dose_response": initialisation,
  "learning_curves": digits,
  "ledger": episodes,
}
MISSING_SHOWN = 12


def write(directory: Path | str) -> Path:
  """Write `report.html` and `figures/` into a study or a run directory.

  Missing, unfinished and unreadable runs are named on the page.

  Returns:
    The path of the page.

  Raises:
    WorkdirError: the directory holds neither a study nor a run.
  """
  study = read_study(directory)
  with matplotlib.rc_context(style.RC):
    sections = []
    for module in FIGURES:
      name = module.__name__.rpartition(".")[2]
      picture = module.draw(study)
      if picture is not None:
        number = 1 + sum("<svg role" in section for section in sections)
        svg = save(picture, study.path / "figures")
        sections.append(_figure(picture, svg, number, study))
      if name in TABLES:
        sections.append(TABLES[name].draw(study))
  path = study.path / "report.html"
  unfinished = path.with_suffix(".html.part")
  numbers = itertools.count(1)
  page = re.sub("Table #", lambda _: f"Table {next(numbers)}", _page(study, sections))
  unfinished.write_text(page, encoding="utf-8")
  os.replace(unfinished, path)
  return path


def _page(study: Study, sections: list[str]) -> str:
  here = resources.files("rnn_research.report")
  template = Template((here / "page.html").read_text(encoding="utf-8"))
  title = study.protocol.get("title") or f"Run {study.path.resolve().name}"
  return template.substitute(
    style=(here / "page.css").read_text(encoding="utf-8"),
    title=html.escape(title),
    lead=glossary.mark(lead.sentence(study)),
    question=glossary.mark(study.protocol.get("question", "")),
    state=_state(study),
    arms=arms.draw(study),
    sections="\n".join(sections),
    protocol=_protocol(study),
    runs=runs.draw(study),
    glossary=glossary.listed(),
  )


def _state(study: Study) -> str:
  done = [a for a in study.arms if a.run and a.run.state == "finished"]
  seeds = sum(arm.run.seeds for arm in study.arms if arm.run)
  devices = {a.run.status.get("devices") for a in study.arms if a.run} - {None}
  where = wording.listing([str(count) for count in sorted(devices)])
  line = (
    f"{len(done)} of {wording.plural(len(study.arms), 'run')} finished"
    f" · {wording.plural(seeds, 'seed')}"
    f" · {wording.duration(runs.total_seconds(study))}"
    f" · devices used: {where or 'not on record'}"
  )
  text = f"<p class='state'>{html.escape(line)}</p>"
  if study.faults:
    faults = list(study.faults[:MISSING_SHOWN])
    if len(study.faults) > MISSING_SHOWN:
      faults.append(f"and {len(study.faults) - MISSING_SHOWN} more")
    items = "".join(f"<li>{html.escape(fault)}</li>" for fault in faults)
    count = wording.plural(len(study.faults), "part")
    text += (
      f"<div class='faults'><b>{count} missing or unfinished:</b><ul>{items}</ul></div>"
    )
  return text


def _figure(picture: Picture, svg: str, number: int, study: Study) -> str:
  caption = "".join(f"<li>{glossary.mark(line)}</li>" for line in picture.caption[:-1])
  return (
    f"<figure id='{picture.name}'><h2><span>Figure {number}.</span>"
    f" {html.escape(picture.title)}</h2>{svg}"
    f"<figcaption><ul>{caption}</ul><p>{glossary.mark(picture.caption[-1])}</p>"
    f"<p class='limits'><b>What this does not show:</b>"
    f" {glossary.mark(picture.limits)}</p>"
    f"{_commands(picture.arms, study)}</figcaption></figure>"
  )


def _commands(shown: tuple[Arm, ...], study: Study) -> str:
  redraw = f"python -m experiments.report --study={shlex.quote(str(study.path))}"
  lines: dict[str, None] = {}
  for arm in shown:
    command = arm.run.environment.get("command")
    if command:
      lines[shlex.join(map(str, command))] = None
  text = "\n".join([*lines, redraw])
  return (
    "<details><summary>Reproduce this figure</summary>"
    f"<pre>{html.escape(text)}</pre></details>"
  )


def _protocol(study: Study) -> str:
  protocol = study.protocol
  if not protocol:
    return ""
  verdicts = {
    True: "matches the protocol as it stands",
    False: "does not match the protocol as it stands: it was changed",
    None: "the protocol carries no hash",
  }
  groups: dict[str, int] = {}
  for arm in study.arms:
    groups[arm.group] = groups.get(arm.group, 0) + 1
  counts = [f"{count} {group}" for group, count in groups.items()]
  facts = {
    "Arms": f"{len(study.arms)}: {wording.listing(counts)}",
    "Seeds": _plain(protocol.get("seeds")),
    "Budget": _plain(protocol.get("budget")),
    "Thresholds": _plain(protocol.get("thresholds", {})),
    "Baselines": _plain(protocol.get("baselines")),
    "Created": _plain(protocol.get("created")),
    "SHA-256": f"{protocol.get('sha256', 'none')} ({verdicts[study.sound]})",
  }
  items = "".join(
    f"<dt>{name}</dt><dd>{html.escape(text)}</dd>" for name, text in facts.items()
  )
  return (
    "<section><h2>Protocol</h2><p>Declared for the whole study; the hash shows"
    " whether it was changed since.</p>"
    f"<dl class='facts'>{items}</dl>{comparisons.draw(study)}</section>"
  )


def _plain(value: object) -> str:
  if isinstance(value, dict):
    pairs = (f"{k.replace('_', ' ')} {_plain(v)}" for k, v in value.items())
    return "; ".join(pairs)
  if isinstance(value, list):
    return ", ".join(_plain(entry) for entry in value) or "none"
  if value is None:
    return "none"
  return value if isinstance(value, str) else json.dumps(value)
