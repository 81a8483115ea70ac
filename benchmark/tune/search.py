"""One search: which values are tried next, which trials go on, and which one is chosen, by validation alone.

Trials are asked for in generations. Of a generation each trial is trained to the first rung of epochs, the best of them
to the next one, and so on: successive halving (Jamieson and Talwalkar, AISTATS 2016; its asynchronous form: Li et al.,
MLSys 2020), with as many promoted in every search, whatever they score, so that all searches spend equal epochs. What
is asked next follows from the seed and the outcomes of earlier generations alone. A search that is begun again with the
same records therefore asks the same trials, and nothing but the records has to be kept.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna

from benchmark.grid.cell import Cell
from benchmark.grid.spec import RunSpec
from benchmark.tune.space import DIGITS, Parameter, changed
from results.record import RunRecord

SAMPLERS = ("tpe", "random")
REDUCTION = 3
"""Of so many trials on a rung one is trained to the next."""
MOST_RUNGS = 3
State = Literal["waiting", "pruned", "completed", "failed"]

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass
class Trial:
    """One set of values that is tried."""

    number: int
    values: dict[str, Any]
    spec: RunSpec
    cell: Cell | None = None
    """Resolved, without a rung; None until that is done."""
    state: State = "waiting"
    record: RunRecord | None = None
    """Of its last rung."""
    epochs: int = 0
    """That it was trained for."""

    @property
    def score(self) -> float | None:
        """The primary score on validation of its last rung; None where it has failed or not yet begun."""
        if self.record is None or self.record.status != "completed":
            return None
        score = self.record.scores[self.record.primary_metric]
        return score if math.isfinite(score) else None


class Search:
    """The search for one cell's values.

    Args:
        spec: the cell without a search.
        parameters: what is varied.
        sampler: `tpe` (Bergstra et al., NeurIPS 2011) or `random`.
        seed: what is asked follows from it and the cell's components.
        halves: whether only the best of each rung go on; without it all are trained to the end.
    """

    def __init__(
        self, spec: RunSpec, parameters: Sequence[Parameter], *, sampler: str, seed: int, halves: bool = True
    ) -> None:
        self.spec, self.parameters = spec, tuple(parameters)
        self.rungs = rungs(spec.recipe.epochs) if halves else (spec.recipe.epochs,)
        self.trials: list[Trial] = []
        self._study = optuna.create_study(sampler=_sampler(sampler, _seed(spec, seed)), direction="maximize")
        self._study.enqueue_trial({p.name: _coded_start(p) for p in self.parameters})
        self._asked: dict[int, optuna.Trial] = {}
        self._reached, self._promoted = Counter[int](), Counter[int]()

    def ask(self, count: int) -> list[Trial]:
        """The next trials, which follow from what was told of earlier ones; the first has the cell's own values."""
        return [self._ask() for _ in range(count)]

    def rest(self, trials: Sequence[Trial], place: int) -> list[Trial]:
        """Settle what these trials have reached on the rung of this place -> those that go on, the best first."""
        standing = [trial for trial in trials if trial.score is not None]
        for trial in trials:
            if trial.score is None:
                trial.state = "failed"
        if place == len(self.rungs) - 1:
            for trial in standing:
                trial.state = "completed"
            return []
        self._reached[place] += len(standing)
        allowed = max(1, self._reached[place] // REDUCTION) - self._promoted[place]
        ranked = sorted(standing, key=lambda trial: (-(trial.score or 0.0), trial.number))
        for trial in ranked[allowed:]:
            trial.state = "pruned"
        self._promoted[place] += len(ranked[:allowed])
        return ranked[:allowed]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Let what is asked next know how these have ended."""
        for trial in sorted(trials, key=lambda trial: trial.number):
            asked = self._asked.pop(trial.number)
            if trial.score is None:
                self._study.tell(asked, state=optuna.trial.TrialState.FAIL)
            elif trial.state == "pruned":
                asked.report(trial.score, trial.epochs)
                self._study.tell(asked, state=optuna.trial.TrialState.PRUNED)
            else:
                self._study.tell(asked, trial.score)

    @property
    def best(self) -> Trial | None:
        """The best of those that were trained to the end, the earliest of equals; None where none was."""
        done = [trial for trial in self.trials if trial.state == "completed"]
        return max(done, key=lambda trial: (trial.score or 0.0, -trial.number), default=None)

    @property
    def epochs(self) -> int:
        """Spent on all trials together."""
        return sum(trial.epochs for trial in self.trials)

    def _ask(self) -> Trial:
        number = len(self.trials)
        asked = self._study.ask({p.name: _distribution(p) for p in self.parameters})
        start = {p.name: p.start for p in self.parameters}
        values = start if number == 0 else {p.name: _value(p, asked.params[p.name]) for p in self.parameters}
        trial = Trial(number, values, changed(self.spec, self.parameters, values))
        self._asked[number] = asked
        self.trials.append(trial)
        return trial


def rungs(epochs: int) -> tuple[int, ...]:
    """Epochs after which trials of a recipe of so many are compared: 20 -> 2, 7, 20."""
    steps = [epochs]
    while steps[0] > 1 and len(steps) < MOST_RUNGS:
        steps.insert(0, max(1, round(steps[0] / REDUCTION)))
    return tuple(steps)


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(seed=seed) if name == "tpe" else optuna.samplers.RandomSampler(seed=seed)


def _seed(spec: RunSpec, seed: int) -> int:
    """Each search draws numbers of its own."""
    text = f"{seed}\n{spec.backbone}\n{spec.adapter}\n{spec.task}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _distribution(parameter: Parameter) -> optuna.distributions.BaseDistribution:
    if parameter.choices:
        # By place: a value may be a tuple, which Optuna's categories may not.
        return optuna.distributions.CategoricalDistribution(tuple(range(len(parameter.choices))))
    low, high, log = parameter.bounds
    if parameter.is_whole:
        return optuna.distributions.IntDistribution(int(low), int(high), log=log)
    return optuna.distributions.FloatDistribution(low, high, log=log)


def _coded_start(parameter: Parameter) -> Any:
    return parameter.choices.index(parameter.start) if parameter.choices else parameter.start


def _value(parameter: Parameter, coded: Any) -> Any:
    if parameter.choices:
        return parameter.choices[coded]
    return coded if parameter.is_whole else float(f"{coded:.{DIGITS}g}")
