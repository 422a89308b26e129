"""GGUF files of Hugging Face repositories, by ids such as `hf:owner/repo/file.gguf@revision`.

The owner of huggingface_hub here, imported when a file is wanted: its own cache, its own token, its own offline mode.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sdspec.errors import PrerequisiteError

_ID = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)(?:/(?P<file>[^@]+\.gguf))?(?:@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True, slots=True)
class HubModel:
    """One GGUF file of a repository."""

    repo: str
    file: str | None
    """Path in the repository; None when it holds exactly one GGUF file."""
    revision: str

    def __str__(self) -> str:
        return f"hf:{self.repo}{'/' + self.file if self.file else ''}@{self.revision}"


def parse(model_id: str) -> HubModel | None:
    """The file that an id names; None when it is not such an id."""
    match = _ID.fullmatch(model_id)
    if match and ".." in (match["file"] or "").split("/"):
        return None
    return HubModel(match["repo"], match["file"], match["revision"] or "main") if match else None


def hub_weights(model: HubModel, say: Callable[[str], None]) -> Path:
    """The GGUF file in huggingface_hub's cache, fetched if it is not there; raises PrerequisiteError. Blocks."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        file = model.file or _only_file(model)
        say(f"fetching {file} of {model.repo} from the Hugging Face hub, or its cache")
        return Path(hf_hub_download(model.repo, file, revision=model.revision))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise PrerequisiteError(
            f"cannot fetch {model}: {first_line} Check the id and, for a private or gated repository, HF_TOKEN; "
            "or download the file by hand and give it with model.path=FILE.gguf."
        ) from error


def at_hand(model: HubModel) -> bool:
    """Whether the file is in huggingface_hub's cache; nothing is fetched, and an id without a file says nothing."""
    from huggingface_hub import try_to_load_from_cache

    return model.file is not None and isinstance(
        try_to_load_from_cache(model.repo, model.file, revision=model.revision), str
    )


def _only_file(model: HubModel) -> str:
    """The path of the repository's one GGUF file; off line, of the one in the cache."""
    import httpx
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        names = HfApi().list_repo_files(model.repo, revision=model.revision)
    except (OfflineModeIsEnabled, httpx.TransportError):
        cached = Path(snapshot_download(model.repo, revision=model.revision, local_files_only=True))
        names = [str(path.relative_to(cached)) for path in cached.rglob("*.gguf")]
    files = sorted(name for name in names if name.endswith(".gguf"))
    if len(files) != 1:
        shown = ", ".join(files[:12]) + (" ..." if len(files) > 12 else "") or "none"
        raise PrerequisiteError(f"{model} must name a GGUF file, as hf:{model.repo}/FILE.gguf. It holds: {shown}.")
    return files[0]
