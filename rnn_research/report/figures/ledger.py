"""Fig. 6: the gradient asked for, the one applied, and what became of it."""

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from rnn_research.report import style, wording
from rnn_research.report.episodes import Count, count_episodes, run_episodes
from rnn_research.report.picture import Picture
from rnn_research.report.selection import default_arm, headline_arms, with_runs
from rnn_research.report.study import Arm, Study

LIMITS = (
  "why an episode began. Clipping bounds the gradient, not the update: Adam's"
  " step can grow while the clipped norm stays where it is, so a quiet upper"
  " panel is no proof of a quiet run."
)
CALM = "#9a9a9a"
APPLIED = "#E69F00"
ROWS = ("norm_before", "update_norm", "loss")
NAMES = ("gradient norm", "update norm", "training loss")


def draw(study: Study) -> Picture | None:
  """An arm a column: gradient norm, update norm and loss of its worst seed."""
  arms = _arms(study)
  if not arms:
    return None
  figure = Figure(figsize=(style.WIDTH, 5.2), layout="constrained")
  grid = figure.subplots(3, len(arms), sharex="col", sharey="row", squeeze=False)
  for column, arm in zip(grid.T, arms, strict=True):
    _column(list(column), arm, study, len(arms))
  for row, name in zip(grid, NAMES, strict=True):
    row[0].set_ylabel(name)
    if any(np.isfinite(line.get_ydata()).any() for x in row for line in x.lines):
      row[0].set_yscale("log")
    for axes, arm in zip(row, arms, strict=True):
      axes.set_xlim(0, max(arm.run.steps, 1))
      axes.minorticks_off()
  figure.legend(handles=_legend(), loc="outside lower center", ncols=4)
  counts = {
    arm.name: count_episodes(run_episodes(arm.run, study.thresholds)) for arm in arms
  }
  return Picture(
    "ledger",
    _title(arms, counts),
    figure,
    _caption(arms, counts, study),
    LIMITS,
    tuple(arms),
  )


def _arms(study: Study) -> list[Arm]:
  faults = with_runs(study, "fault")
  healthy = [a for a in headline_arms(study) if a.group != "fault"]
  cells = {arm.cell: None for arm in healthy}
  plain = [default_arm([a for a in healthy if a.cell == c]) for c in cells]
  return [
    arm
    for arm in [*faults, *plain]
    if all(name in arm.run.ledger.values for name in ROWS)
  ]


def worst_seed(arm: Arm, study: Study) -> int:
  """The seed with most unrecovered episodes, then the longest finite ledger.

  Of several, the one with most episodes.
  """
  seeds = run_episodes(arm.run, study.thresholds)
  ledger = arm.run.ledger.values
  sound = np.isfinite(ledger["norm_before"]) & np.isfinite(ledger["loss"])
  finite = np.logical_and.accumulate(sound).sum(0)
  ranks = [
    (sum(e.fate == "unrecovered" for e in episodes), steps, len(episodes))
    for episodes, steps in zip(seeds, finite, strict=True)
  ]
  return max(range(len(ranks)), key=lambda i: ranks[i])


def _column(column: list[Axes], arm: Arm, study: Study, panels: int) -> None:
  look = style.cell_style(arm.cell)
  seed = worst_seed(arm, study)
  episodes = run_episodes(arm.run, study.thresholds)[seed]
  ledger, steps = arm.run.ledger.values, arm.run.ledger.steps
  for axes, name in zip(column, ROWS, strict=True):
    for episode in episodes:
      ends = episode.start - 0.5, max(episode.end + 0.5, episode.start + 3)
      colour = style.ALARM if episode.fate == "unrecovered" else CALM
      axes.axvspan(*ends, color=colour, alpha=0.35, linewidth=0)
    asked = name == "norm_before"
    colour = style.INK if asked else look.colour
    axes.plot(steps, _positive(ledger[name][:, seed]), color=colour, linewidth=0.7)
    if asked and "norm_after" in ledger:
      applied = _positive(ledger["norm_after"][:, seed])
      axes.plot(steps, applied, color=APPLIED, linewidth=0.9)
  first = (arm.run.status.get("seeds") or [{}] * (seed + 1))[seed]
  label = style.wrapped(arm.label, panels)
  column[0].set_title(f"{label}\nseed {first.get('seed', seed)}")
  column[-1].set_xlabel("training step")


def _positive(
  values: Float[np.ndarray, "steps"],
) -> Float[np.ndarray, "steps"]:
  """What a log axis can show; the rest is a gap."""
  return np.where(values > 0, values, np.nan)


def _legend() -> list[Artist]:
  return [
    Patch(color=CALM, alpha=0.35, linewidth=0, label="episode, loss came back"),
    Patch(
      color=style.ALARM,
      alpha=0.35,
      linewidth=0,
      label="episode, never recovered",
    ),
    Line2D([], [], color=style.INK, linewidth=0.9, label="gradient norm asked"),
    Line2D([], [], color=APPLIED, linewidth=1.2, label="gradient norm applied"),
  ]


def _title(arms: list[Arm], counts: dict[str, Count]) -> str:
  faulty = [arm for arm in arms if arm.group == "fault"]
  healthy = [arm for arm in arms if arm.group != "fault"]
  if not sum(tally.total for tally in counts.values()):
    return "No instability episode in the arms shown"
  parts = []
  for name, group in (("the fault arm", faulty), ("the other arms shown", healthy)):
    if group:
      total = sum(counts[arm.name].total for arm in group)
      lost = sum(counts[arm.name].unrecovered for arm in group)
      who = name if faulty else wording.listing([a.label for a in group])
      parts.append(f"{lost} of {wording.plural(total, 'episode')} in {who}")
  return f"Never recovered from: {wording.listing(parts)}"


def _caption(
  arms: list[Arm], counts: dict[str, Count], study: Study
) -> tuple[str, ...]:
  sentences = []
  for arm in arms:
    ledger = arm.run.ledger.values
    largest = np.nanmax(ledger["norm_before"], initial=0.0)
    updates = np.nanmax(ledger["update_norm"], initial=0.0)
    tally = counts[arm.name]
    clipped = np.nan
    if "shrink" in ledger:
      shrink = ledger["shrink"][np.isfinite(ledger["shrink"])]
      clipped = float((shrink < 1).mean()) if len(shrink) else np.nan
    sentences.append(
      f"{arm.label}: {wording.plural(tally.total, 'episode')} in"
      f" {wording.plural(arm.run.seeds, 'seed')}, {tally.late} recovered"
      f" late and {tally.unrecovered} never; largest norm asked"
      f" {wording.quantity(largest)}, largest update {wording.quantity(updates)},"
      f" {wording.percent(clipped, 1)} of steps clipped."
    )
  limits = study.thresholds
  sentences.append(
    "Shown is the seed with most unrecovered episodes, then the one that stays"
    " finite longest, then the one with most episodes."
    " An episode: gradient norm before clipping above"
    f" {limits['episode_factor']:g} times its running median over"
    f" {limits['episode_window']:g} steps, stretches within"
    f" {limits['episode_merge']:g} steps joined; recovered if, within"
    f" {limits['episode_recovery']:g} steps after it, the loss is back at its"
    " running median of the step before it, or below"
    f" {limits['episode_floor']:g} of the chance loss, and late if that takes longer."
    " Grey: the loss came back, or the run ended too early to tell; red: it never did."
  )
  return tuple(sentences)
