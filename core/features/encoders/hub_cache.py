"""Weights on the Hugging Face hub: whether they are cached, whether they can be downloaded, and how they are loaded.

Nothing here hangs: asking the hub takes a few seconds at most, even where the name server does not answer.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from ...errors import WeightsUnavailable

_SECONDS = 4.0
"""Time for one answer from the hub; at most twice this in all, name lookup and redirects included."""


def cached_file(repo: str, names: Sequence[str]) -> str | None:
    """Path of the first of ``names`` in the local cache of ``repo``; None = none is cached."""
    from huggingface_hub import try_to_load_from_cache

    for name in names:
        path = try_to_load_from_cache(repo, name)
        if isinstance(path, str):
            return path
    return None


def offline_by_choice() -> bool:
    """Whether HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) is set."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def download_obstacle(repo: str, names: Sequence[str]) -> str | None:
    """Say in a few words why none of ``names`` can be downloaded from ``repo`` now; None = one can."""
    if offline_by_choice():
        return "offline: HF_HUB_OFFLINE is set"
    obstacle = ["offline"]

    def look_up() -> None:
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.errors import HfHubHTTPError

        for name in names:
            try:
                get_hf_file_metadata(hf_hub_url(repo, name), timeout=_SECONDS)
            except HfHubHTTPError as error:
                obstacle[0] = f"the hub answered: {str(error).splitlines()[0][:120]}"
            except Exception:  # noqa: BLE001 - what a transport raises differs from hub version to hub version
                obstacle[0] = "offline"
                return
            else:
                obstacle[0] = ""
                return

    thread = threading.Thread(target=look_up, daemon=True, name="winnow-hub")
    thread.start()
    thread.join(2 * _SECONDS)
    return obstacle[0] or None


def require_weights(name: str, repo: str, files: Sequence[str], allow_network: bool, instead: str) -> None:
    """Check that one of the files is cached or can be downloaded now.

    Parameters
    ----------
    name
        Of the encoder, for the message.
    repo, files
        Where the weights are.
    allow_network
        Whether they may be downloaded.
    instead
        What else the person can do.

    Raises
    ------
    WeightsUnavailable
        The weights can neither be loaded nor downloaded.
    """
    if cached_file(repo, files) is not None:
        return
    obstacle = download_obstacle(repo, files) if allow_network else "downloads are switched off"
    if obstacle is not None:
        raise WeightsUnavailable(
            f"The weights of {name} are not on this machine and cannot be downloaded ({obstacle}). Run once when "
            f"online, {instead}."
        )


def first_line(error: BaseException) -> str:
    """Shorten the message of an error to its first line, at most 200 characters."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


T = TypeVar("T")


def offline_first(load: Callable[[], T], allow_network: bool) -> T:
    """Call ``load()`` without the network, which is enough for cached weights; if it fails and it is allowed, with it.

    Otherwise a cached model would wait for the hub's time-outs on a machine that is offline.
    """
    try:
        with hub_network(False):
            return load()
    except Exception:
        if not allow_network or offline_by_choice():
            raise
    with hub_network(True):
        return load()


@contextlib.contextmanager
def hub_network(allowed: bool) -> Iterator[None]:
    """Keep the hub's libraries off the network inside the block, unless it is ``allowed``."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not allowed
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
