"""What a pretrained model may be called, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from diffusion_core.errors import UsageError
from diffusion_core.models import model_digest, shipped_models, weights_path
from diffusion_core.pretrained.names import HubName, hub_name, is_pretrained
from diffusion_core.pretrained.source import located


@pytest.mark.parametrize(
    ("name", "repository", "revision"),
    [
        ("google/ddpm-celebahq-256", "google/ddpm-celebahq-256", ""),
        ("stable-diffusion-v1-5/stable-diffusion-v1-5@main", None, "main"),
        ("facebook/DiT-XL-2-256@refs/pr/3", "facebook/DiT-XL-2-256", "refs/pr/3"),
        ("o/m_1.0@0123456789abcdef0123456789abcdef01234567", "o/m_1.0", None),
    ],
)
def test_names_of_the_hub(name: str, repository: str | None, revision: str | None) -> None:
    found = hub_name(name)
    assert isinstance(found, HubName)
    assert is_pretrained(name)
    assert found.repository == (repository or name.partition("@")[0])
    assert found.revision == (revision if revision is not None else name.partition("@")[2])


@pytest.mark.parametrize(
    "name",
    [
        *shipped_models(),
        "",
        "/",
        "runs/mine.safetensors",
        "runs/mine.ckpt",
        "a/b/c",
        "/owner/name",
        "./name",
        "../name",
        "owner/",
        "owner/name@",
        "owner/name@../../secret",
        "https://huggingface.co/owner/name",
        "owner/na me",
        "-owner/name",
    ],
)
def test_names_of_nothing_pretrained(name: str) -> None:
    assert hub_name(name) is None
    assert not is_pretrained(name)


def test_what_lies_on_this_disk_goes_before_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_pretrained("runs/mine")
    (tmp_path / "runs" / "mine").mkdir(parents=True)  # a training's folder, still empty
    assert not is_pretrained("runs/mine")
    with pytest.raises(UsageError, match="neither weights nor checkpoints nor a model_index"):
        weights_path("runs/mine")
    (tmp_path / "runs" / "mine" / "model_index.json").write_text("{}")
    assert is_pretrained("runs/mine")
    assert hub_name("runs/mine") is None


def test_what_is_no_pipeline_is_told_what_would_be() -> None:
    with pytest.raises(UsageError, match=r"no folder with a model_index.json.* owner/name@revis"):
        located("nowhere")
    with pytest.raises(UsageError, match=r"a pipeline of the hub as owner/name"):
        model_digest("nowhere")
