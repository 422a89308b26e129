"""`sdspec doctor` in this process, with nobody's credentials and proxies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdspec.cli.main import main
from tests.cli.doctoring import KEY, Check, Doctor
from tests.cli.test_bedrock import written

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Runs `sdspec doctor WORDS --json`: its exit code and the last model's checks; no secret is shown or kept."""
    monkeypatch.chdir(tmp_path)
    for name in (*PROXIES, "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "AWS_CA_BUNDLE", "CDP_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def run(*words: str, **env: str) -> tuple[int, dict[str, Check]]:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        patience = () if "--timeout" in words else ("--timeout", "120")
        code = main(["doctor", *words, *patience, "--json"])
        shown = capsys.readouterr()
        for secret in (KEY.secret, str(KEY.token), *secrets_in(env)):
            assert secret not in shown.out + shown.err
            assert secret.encode() not in written(tmp_path)
        body = json.loads(shown.out)
        assert (code == 0) == body["ok"]
        return code, {check["what"]: check for section in body["sections"] for check in section["checks"]}

    return run


def secrets_in(env: dict[str, str]) -> list[str]:
    """Values of variables that hold a secret."""
    return [value for name, value in env.items() if value and any(part in name for part in ("SECRET", "KEY_", "TOKEN"))]
