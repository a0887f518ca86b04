"""`handson check`: what it says of good and of broken experiments."""

from command_line import KINDS, call

FROZEN = "activation: softmax, trainable: false"
BROKEN = KINDS.replace("name: kinds", "name: broken").replace("activation: softmax", FROZEN)


def test_a_good_experiment_passes_and_a_broken_one_does_not(work):
    result = call(work, "check", "kinds.yaml", "--what", "overfit, regularization")
    assert result.code == 0, result.out + result.err
    assert "ok: learn a few rows by heart" in result.out
    assert "note: more regularization, more loss: no layer has a regularizer" in " ".join(result.out.split())
    (work / "broken.yaml").write_text(BROKEN)
    result = call(work, "check", "broken.yaml", "--what", "overfit")
    assert result.code == 1
    assert "NOT OK: learn a few rows by heart" in result.out


def test_pictures_of_rates_and_initial_weights(work):
    (work / "seen").mkdir()
    result = call(work, "check", "kinds.yaml", "--what", "rates,initialization", "--pictures", "seen")
    assert result.code == 0, result.err
    assert "learning rate: suggested" in result.out
    assert "the experiment has 0.1" in " ".join(result.out.split())
    assert {path.name for path in (work / "seen").iterdir()} == {"rates.png", "initialization.png"}


def test_what_is_misspelt_or_missing_is_said(work):
    for arguments, said in (
        (["kinds.yaml", "--what", "overfitt"], "Did you mean 'overfit'"),
        (["kinds.yaml", "--pictures", "nowhere"], "folder is not there"),
        (["nowhere.yaml"], "nowhere.yaml"),
    ):
        result = call(work, "check", *arguments)
        assert result.code == 2
        assert said in " ".join(result.err.split())
