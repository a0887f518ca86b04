"""Sites: what jobs need on a cluster, in a small file, and which combinations its scheduler would refuse."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from handson.core.errors import HandsonError, nearest
from handson.workflow import yaml_file

HOME = Path(__file__).parent / "sites"
# Days-hours:minutes:seconds, as sbatch takes them.
DAYS = re.compile(r"(\d+)-(\d+)(?::(\d+))?(?::(\d+))?")
CLOCK = re.compile(r"(\d+)(?::(\d+))?(?::(\d+))?")
DAY, HOUR, MINUTE = 86400, 3600, 60


def seconds_of(time: str | int) -> int:
    """How long a time is that is written as Slurm takes it: '20:00:00', '1-12', '30' or 30 (minutes).

    Examples
    --------
    >>> seconds_of("20:00:00"), seconds_of("1-12:30"), seconds_of(30), seconds_of("1:30")
    (72000, 131400, 1800, 90)
    """
    text = str(time).strip()
    if match := DAYS.fullmatch(text):
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return days * DAY + hours * HOUR + minutes * MINUTE + seconds
    if not (match := CLOCK.fullmatch(text)):
        raise HandsonError(f"a time is written as HH:MM:SS, D-HH:MM:SS or in minutes; got {time!r}.")
    parts = [int(part) for part in match.groups() if part is not None]
    if len(parts) == 1:
        return parts[0] * MINUTE
    hours, minutes, seconds = parts if len(parts) == 3 else [0, *parts]
    return hours * HOUR + minutes * MINUTE + seconds


def _time(value: str | int) -> str:
    seconds_of(value)
    return str(value).strip()


def _line(value: str) -> str:
    """A text that stays on its line of the script."""
    if not value.isprintable():
        raise ValueError(f"expected one line of text; got {value!r}.")
    return value


def _word(value: str) -> str:
    """A value of an option of sbatch, which ends at the first space."""
    if not re.fullmatch(r"[^\s'\"`$\\;&|<>#]+", value):
        raise ValueError(f"expected a value of an option of sbatch, without spaces and quotes; got {value!r}.")
    return value


def _gpu_option(value: str) -> str:
    """A text with no other braces than those of {gpus}."""
    if set("{}") & set(value.replace("{gpus}", "")):
        raise ValueError("expected no braces but {gpus}, which stands for the number")
    return _word(value)


Line = Annotated[str, AfterValidator(_line)]
Word = Annotated[str, AfterValidator(_word)]
Time = Annotated[str, BeforeValidator(_time), AfterValidator(_word)]


class Site(BaseModel):
    """What a job needs on a cluster.

    Attributes
    ----------
    base : str, optional
        The site that this one changes: its keys count where this one has none.
    account : str, optional
        Who pays.
    account_needed : bool
        Whether the scheduler refuses jobs without one.
    account_ending : str
        How accounts end that may use these GPUs, such as '@v100'.
    partition, constraint, qos, memory, hint : str, optional
        The options of sbatch with these names (`--mem` for memory).
    gpu_option : str, optional
        The option that asks for GPUs, such as 'gres=gpu:v100:{gpus}' or 'gpus={gpus}'; `{gpus}` stands for the number.
    limits : dict of str to time
        The QoS that there are, and the longest time of a job in each.
    longest : time, optional
        The longest time of a job.
    time : time
        The time of a job, if none is asked for.
    gpus, most_gpus : int
        How many GPUs a job gets, and how many a machine has. 0: none are asked for.
    cpus : int
        Processors for every GPU, or for every worker of a job that has none.
    modules : list of str
        Arguments of `module`, one line each, such as 'purge' and 'load pytorch-gpu/py3/2.8.0'.
    prepare : list of str
        Further lines of the script before the training, such as 'source venv/bin/activate'.
    container : str
        What stands in front of the command, such as 'singularity exec --nv image.sif'.
    python : str, optional
        The interpreter of the job; by default the one that submits it.
    signal : str
        The signal before the end of the time, after which a training saves: SIGUSR1, or SIGTERM where the network of
        the GPUs uses that one.
    margin : int
        So many seconds before the end it is sent.
    again : {'requeue', 'resubmit'}
        How a job that was stopped goes on: under its number, or, where the site does not allow that, as a new one.
    most_at_once : int, optional
        How many jobs of a sweep run at a time.
    options : list of str
        Further options of sbatch, such as '--exclusive'.
    kinds : dict of str to dict
        Kinds of machines, and the keys that are different on each. The first is taken if none is asked for.

    Examples
    --------
    >>> site = Site.find("jean-zay").asked(kind="a100", account="abc@a100", time="2:00:00")
    >>> site.constraint, site.cpus, site.qos
    ('a100', 8, 'qos_gpu_a100-t3')
    """

    model_config = ConfigDict(extra="forbid")

    base: str | None = None
    account: Word | None = None
    account_needed: bool = False
    account_ending: str = ""
    partition: Word | None = None
    constraint: Word | None = None
    qos: Word | None = None
    limits: dict[str, Time] = Field(default_factory=dict)
    longest: Time | None = None
    gpu_option: Annotated[str, AfterValidator(_gpu_option)] | None = None
    memory: Word | None = None
    hint: Word | None = None
    time: Time = "1:00:00"
    gpus: int = Field(0, ge=0)
    most_gpus: int = Field(0, ge=0)
    cpus: int = Field(1, ge=1)
    modules: list[Line] = Field(default_factory=list)
    prepare: list[Line] = Field(default_factory=list)
    container: Line = ""
    python: Line | None = None
    signal: Literal["USR1", "TERM"] = "USR1"
    margin: int = Field(120, ge=1)
    again: Literal["requeue", "resubmit"] = "requeue"
    most_at_once: int | None = Field(None, ge=1)
    options: list[Line] = Field(default_factory=list)
    kinds: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @classmethod
    def find(cls, name: str) -> Site:
        """A site by its name, or in a YAML file.

        Raises
        ------
        HandsonError
            For a name that is not known, with the nearest one, and for a file with unknown keys.
        """
        path = SITES.get(name) or Path(name)
        if not path.is_file():
            raise HandsonError(
                f"no site is called {name!r}.{nearest(name, SITES)} Known: {', '.join(SITES)}; or give a .yaml file."
            )
        return cls._made(_merged(path), str(path))

    @classmethod
    def _made(cls, values: Mapping[str, Any], source: str) -> Site:
        try:
            return cls(**values)
        except ValidationError as error:
            raise HandsonError(f"{source}: {_explained(error)}") from None

    def asked(
        self,
        kind: str | None = None,
        account: str | None = None,
        qos: str | None = None,
        time: str | None = None,
        gpus: int | None = None,
        at_once: int | None = None,
    ) -> Site:
        """The site for one job.

        Parameters
        ----------
        kind : str, optional
            A kind of machine in `kinds`.
        account, qos, time, gpus
            In place of the site's.
        at_once : int, optional
            How many jobs of a sweep run at a time, in place of the site's `most_at_once`.

        Raises
        ------
        HandsonError
            For what the scheduler would refuse: no account or one for other machines, a QoS that is not there, a time
            above its limit, more GPUs than a machine has, a time that is over before the signal.
        """
        if kind is not None and kind not in self.kinds:
            known = ", ".join(self.kinds) or "none"
            raise HandsonError(f"the site has no kind {kind!r}.{nearest(kind, self.kinds)} It has: {known}.")
        special = self.kinds[kind or next(iter(self.kinds))] if self.kinds else {}
        given = {"account": account, "qos": qos, "time": time, "gpus": gpus, "most_at_once": at_once}
        values = self.model_dump() | special | {key: value for key, value in given.items() if value is not None}
        made = self._made(values, f"kind {kind}" if kind else "the site")
        made.check()
        return made

    def check(self) -> None:
        """Raise for a combination that the scheduler would refuse."""
        self._check_account()
        if self.limits and self.qos not in self.limits:
            raise HandsonError(
                f"there is no QoS {self.qos!r} here.{nearest(str(self.qos), self.limits)} There are: "
                f"{', '.join(f'{name} (up to {limit})' for name, limit in self.limits.items())}."
            )
        limit = self.limits.get(self.qos or "", self.longest)
        wanted = seconds_of(self.time)
        if limit is not None and wanted > seconds_of(limit):
            longer = [name for name, each in self.limits.items() if seconds_of(each) >= wanted]
            way = f" --qos {longer[0]} allows it." if longer else " A run goes on by itself in its next job."
            raise HandsonError(f"--time {self.time} is above the {limit} of {self.qos or 'this site'}.{way}")
        if wanted <= 2 * self.margin:
            raise HandsonError(
                f"--time {self.time} is short for a signal {self.margin} s before its end: give more than "
                f"{2 * self.margin} s."
            )
        if self.gpus > self.most_gpus:
            raise HandsonError(f"--gpus {self.gpus}: a machine has {self.most_gpus} here.")

    def _check_account(self) -> None:
        example = f"abc{self.account_ending}"
        if self.account_needed and not self.account:
            raise HandsonError(f"the scheduler refuses jobs without an account here: --account {example}.")
        if self.account and self.account_ending and not self.account.endswith(self.account_ending):
            raise HandsonError(
                f"account {self.account!r} is not for these machines, whose accounts end in {self.account_ending!r}: "
                f"--account {self.account.partition('@')[0]}{self.account_ending}, or another --kind."
            )

    def check_workers(self, workers: int) -> None:
        """Raise for several workers of a job with GPUs, of which they would use none."""
        if workers > 1 and self.gpus:
            raise HandsonError(
                f"{workers} workers train on processors, and the job would have {self.gpus} GPU(s) that nobody uses: "
                f"--gpus 0, on machines that take such jobs; or one net on one GPU, without --devices."
            )

    @property
    def processors(self) -> int:
        """The processors of each worker of a job; those of all its GPUs."""
        return self.cpus * max(1, self.gpus)


SITES = {path.stem: path for path in sorted(HOME.glob("*.yaml"))}


def _merged(path: Path, depth: int = 0) -> dict[str, Any]:
    """The keys of a site, with those of the site that it is based on."""
    values: dict[str, Any] = yaml_file.read(path).value or {}
    base = values.get("base")
    if base is None:
        return values
    if str(base) not in SITES or depth > len(SITES):
        raise HandsonError(f"{path}: base: no site is called {base!r}.{nearest(str(base), SITES)}")
    return _merged(SITES[base], depth + 1) | values


def _explained(error: ValidationError) -> str:
    lines = []
    for entry in error.errors(include_url=False)[:10]:
        key = ".".join(map(str, entry["loc"]))
        if entry["type"] == "extra_forbidden":
            lines.append(
                f"unknown key {key!r}.{nearest(key, Site.model_fields)} Known: {', '.join(Site.model_fields)}."
            )
        else:
            lines.append(f"{key}: {entry['msg'].removeprefix('Value error, ')}; got {entry['input']!r}.")
    return " ".join(lines)
