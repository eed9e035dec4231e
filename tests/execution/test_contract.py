"""What a failed stage's process tells its parent."""

from conformance.execution.contract import OUTPUT_TAIL_CHARS, failure_of
from conformance.model import Stage

SECRET = "s3cr3t-" + "x" * 40


def test_a_secret_on_the_border_of_a_cut_does_not_pass_in_half(monkeypatch):
    """Texts are cleared of secrets before they are cut: half a secret would be found by nobody."""
    monkeypatch.setenv("CONFORMANCE_TEST_TOKEN", SECRET)
    for before in range(360, 400, 4):
        failure = failure_of(ValueError("a" * before + SECRET), Stage.EXPORT)
        assert "s3cr" not in failure.reason
    for after in range(OUTPUT_TAIL_CHARS - 40, OUTPUT_TAIL_CHARS, 4):
        failure = failure_of(ValueError(SECRET + "b" * after), Stage.EXPORT)
        assert failure.details is not None
        assert len(failure.details) <= OUTPUT_TAIL_CHARS
        assert "xxxx" not in failure.details
