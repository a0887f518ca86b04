"""Sites: what a script asks for, and what is refused before a scheduler sees it."""

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handson.core.errors import HandsonError
from handson.workflow.executors import slurm
from handson.workflow.executors.script import Job, script
from handson.workflow.executors.site import SITES, Site, seconds_of
from handson.workflow.executors.slurm import arrays

PAYS = {"account": "abc@v100"}


def job(folder, **others):
    return Job("handson-stars", ["resume", "runs/my stars"], folder / "log.txt", folder / "job.sh", **others)


@pytest.fixture
def own(tmp_path):
    """A site of one's own."""

    def write(text):
        (tmp_path / "own.yaml").write_text(text)
        return str(tmp_path / "own.yaml")

    return write


@pytest.mark.parametrize("name", sorted(SITES))
def test_every_kind_of_every_site_gives_a_script_that_bash_reads(name, tmp_path):
    site = Site.find(name)
    for kind in site.kinds or [None]:
        ending = site.kinds[kind].get("account_ending", "") if kind else ""
        asked = site.asked(kind=kind, account=f"abc{ending}")
        for each in (job(tmp_path), job(tmp_path, array="0-3", offset=1000)):
            text = script(asked, each)
            done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")
            assert "{gpus}" not in text
            assert "SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK" in text


def test_jean_zay_gets_what_it_needs(tmp_path):
    text = script(Site.find("jean-zay").asked(kind="h100", account="abc@h100", time="20:00:00", gpus=2), job(tmp_path))
    for option in ("account=abc@h100", "constraint=h100", "gres=gpu:2", "cpus-per-task=48", "hint=nomultithread",
                   "time=20:00:00", "qos=qos_gpu_h100-t3", "open-mode=append", "signal=USR1@120"):  # fmt: skip
        assert f"#SBATCH --{option}\n" in text
    assert text.index("module purge") < text.index("module load arch/h100") < text.index("module load pytorch")
    assert "--partition" not in text


def test_several_workers_get_processors_and_no_gpus(tmp_path):
    jean_zay = Site.find("jean-zay")
    with pytest.raises(HandsonError, match=r"4 workers train on processors, .* 1 GPU.* --gpus 0"):
        script(jean_zay.asked(account="abc@v100"), job(tmp_path, devices=4))
    text = script(jean_zay.asked(account="abc@v100", gpus=0), job(tmp_path, devices=4))
    assert "--ntasks=4\n" in text
    assert "--cpus-per-task=10\n" in text
    assert "--gres" not in text
    assert "--cpus-per-task=1\n" in script(Site.find("local"), job(tmp_path, devices=4))


def test_lyon_gets_what_it_needs(tmp_path):
    text = script(Site.find("cc-in2p3").asked(account="lsst", gpus=2), job(tmp_path))
    for option in ("account=lsst", "partition=gpu_v100", "gpus=2", "licenses=sps", "mem=45G", "cpus-per-task=10"):
        assert f"#SBATCH --{option}\n" in text


def test_a_path_with_a_space_is_quoted_and_a_container_stands_in_front(tmp_path, own):
    text = '{base: local, container: "singularity exec a.sif", python: python3, prepare: [. venv/bin/activate]}'
    text = script(Site.find(own(text)).asked(), job(tmp_path))
    assert "\n. venv/bin/activate\n" in text
    assert "\nsrun singularity exec a.sif python3 -m handson resume 'runs/my stars'\n" in text


def test_a_site_that_does_not_requeue_submits_again(tmp_path, own):
    text = script(Site.find(own("{base: local, again: resubmit}")).asked(), job(tmp_path, array="0-3"))
    assert "#SBATCH --no-requeue\n" in text
    assert "sbatch --array=$SLURM_ARRAY_TASK_ID --export=ALL," in text
    assert "scontrol requeue" not in text


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        ("jean-zay", {}, "refuses jobs without an account here: --account abc@v100"),
        ("jean-zay", {"account": "abc@a100"}, "whose accounts end in '@v100': --account abc@v100"),
        ("jean-zay", PAYS | {"qos": "qos_gpu-t5"}, "there is no QoS 'qos_gpu-t5' here. Did you mean 'qos_gpu-t"),
        ("jean-zay", PAYS | {"time": "30:00:00"}, "above the 20:00:00 of qos_gpu-t3. --qos qos_gpu-t4 allows it."),
        ("jean-zay", PAYS | {"time": "200:00:00"}, "A run goes on by itself in its next job"),
        ("jean-zay", PAYS | {"qos": "qos_gpu-dev", "time": "3:00:00"}, "above the 2:00:00 of qos_gpu-dev"),
        ("jean-zay", PAYS | {"gpus": 5}, "--gpus 5: a machine has 4 here"),
        ("jean-zay", PAYS | {"kind": "a10"}, "no kind 'a10'. Did you mean 'a100'"),
        ("jean-zay", PAYS | {"time": "2"}, "short for a signal 120 s before its end"),
        ("jean-zay", {"account": "a b@v100"}, "without spaces and quotes"),
        ("jean-zay", PAYS | {"time": "tomorrow"}, "a time is written as HH:MM:SS"),
        (
            "jean-zay",
            {"kind": "a100", "account": "a@a100", "time": "21:00:00"},
            "above the 20:00:00 of qos_gpu_a100-t3",
        ),
        ("jean-zay", {"kind": "cpu", "account": "a@cpu", "gpus": 1}, "--gpus 1: a machine has 0 here"),
        ("cc-in2p3", {"time": "8-0"}, "above the 7-00:00:00 of this site"),
    ],
)
def test_what_a_scheduler_would_refuse_is_refused_before(name, asked, said):
    with pytest.raises(HandsonError) as error:
        Site.find(name).asked(**asked)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("acount: abc", "unknown key 'acount'. Did you mean 'account'"),
        ("base: jeanzay", "no site is called 'jeanzay'. Did you mean 'jean-zay'?"),
        ('prepare: ["a\\nrm -rf b"]', "one line of text"),
        ("account: $(id)", "without spaces and quotes"),
        ("margin: 0", "margin"),
        ("base: [local]", "no site is called ['local']"),
        ('gpu_option: "gres=gpu:{number}"', "no braces but {gpus}"),
        ("again: never", "again"),
    ],
)
def test_a_file_with_something_else_is_refused(own, text, said):
    with pytest.raises(HandsonError) as error:
        Site.find(own(text)).asked()
    assert said in str(error.value)


def test_a_site_that_is_not_there_is_named_with_the_nearest():
    with pytest.raises(HandsonError, match="no site is called 'jean-zy'. Did you mean 'jean-zay'"):
        Site.find("jean-zy")


@given(st.integers(0, 30), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_times_are_read_as_slurm_reads_them(days, hours, minutes, seconds):
    whole = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    assert seconds_of(f"{days}-{hours:02}:{minutes:02}:{seconds:02}") == whole
    assert seconds_of(f"{hours}:{minutes:02}:{seconds:02}") == whole - days * 86400
    assert seconds_of(f"{days}-{hours}") == (days * 24 + hours) * 3600
    assert seconds_of(f"{minutes}:{seconds:02}") == minutes * 60 + seconds


@given(st.sets(st.integers(0, 5000), max_size=60), st.sampled_from([10, 100, 1000]))
def test_arrays_have_every_task_once(numbers, size):
    found = []
    for offset, text in arrays(numbers, size).items():
        for span in text.split(","):
            first, _, last = span.partition("-")
            assert int(last or first) < size
            found += [offset + number for number in range(int(first), int(last or first) + 1)]
    assert found == sorted(numbers)


@pytest.mark.parametrize(("most", "size", "log"), [(1001, 1000, "1%3a"), (500, 100, "10%2a"), (40, 10, "100%1a")])
def test_arrays_are_as_large_as_the_cluster_takes(monkeypatch, tmp_path, most, size, log):
    monkeypatch.setattr(slurm, "available", lambda: True)
    monkeypatch.setattr(slurm, "call", lambda *words: f"MaxArraySize            = {most}\n")
    [one] = slurm.jobs_for(tmp_path, "sweep", [1003])
    assert (slurm.array_size(), one.log.stem, one.offset + int(one.array)) == (size, log, 1003)


def test_a_cluster_without_arrays_says_so(monkeypatch):
    monkeypatch.setattr(slurm, "available", lambda: True)
    monkeypatch.setattr(slurm, "call", lambda *words: "MaxArraySize = 1")
    with pytest.raises(HandsonError, match="takes no arrays of jobs"):
        slurm.array_size()


def test_folders_with_spaces_and_signs_are_written_as_sbatch_reads_them(tmp_path):
    text = script(Site(), job(tmp_path / "über 50%j"))
    assert f'#SBATCH --output="{tmp_path}/über 50%%j/log.txt"\n' in text
    with pytest.raises(HandsonError, match="no quotes, backslashes and line breaks"):
        script(Site(), job(tmp_path / "a\nb"))


def test_the_signal_of_a_script_waits_for_its_step(tmp_path):
    """The shell goes on only when the step has ended, whatever signal reaches the shell itself."""
    text = script(Site.find("local").asked(), job(tmp_path)).replace("srun ", "step ").replace("sleep 60", "true")
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, body in {
        "step": 'kill -TERM $PPID; sleep 0.2; echo "$@" > called; exit 75',
        "squeue": "cat state",
        "scontrol": 'echo "$@" > requeued',
    }.items():
        (commands / name).write_text(f"#!/bin/bash\n{body}\n")
        (commands / name).chmod(0o755)
    for state, again in {"RUNNING": True, "COMPLETING": False}.items():
        (tmp_path / "state").write_text(state)
        (tmp_path / "requeued").unlink(missing_ok=True)
        environment = {"PATH": f"{commands}:/usr/bin:/bin", "SLURM_JOB_ID": "12", "SLURM_CPUS_PER_TASK": "1"}
        bash = shutil.which("bash") or "bash"
        done = subprocess.run([bash], input=text, text=True, cwd=tmp_path, env=environment, check=False)
        assert done.returncode == 75
        assert "resume runs/my stars" in (tmp_path / "called").read_text()
        assert (tmp_path / "requeued").exists() == again
