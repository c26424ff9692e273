"""Weights on the Hugging Face hub: are they cached, can they be fetched, and no network where none is allowed.

Nothing here hangs: a look at the network takes a few seconds at most, whatever the name server does.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

_SECONDS = 4.0
"""Time for one answer from the hub; twice this in all, name lookup and redirects included."""


def cached(repo: str, names: Sequence[str]) -> str | None:
    """The path of the first of ``names`` that is in the local cache of ``repo``."""
    from huggingface_hub import try_to_load_from_cache

    for name in names:
        found = try_to_load_from_cache(repo, name)
        if isinstance(found, str):
            return found
    return None


def offline_by_choice() -> bool:
    """Whether HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) is set."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def why_unreachable(repo: str, names: Sequence[str]) -> str | None:
    """None when one of ``names`` can be fetched from ``repo`` now, else the reason in a few words."""
    if offline_by_choice():
        return "offline: HF_HUB_OFFLINE is set"
    answer = ["offline"]

    def ask() -> None:
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.errors import HfHubHTTPError

        for name in names:
            try:
                get_hf_file_metadata(hf_hub_url(repo, name), timeout=_SECONDS)
            except HfHubHTTPError as error:
                answer[0] = f"the hub answered: {str(error).splitlines()[0][:120]}"
            except Exception:  # noqa: BLE001 - what a transport raises differs from hub version to hub version
                answer[0] = "offline"
                return
            else:
                answer[0] = ""
                return

    thread = threading.Thread(target=ask, daemon=True, name="winnow-hub")
    thread.start()
    thread.join(2 * _SECONDS)
    return answer[0] or None


T = TypeVar("T")


def offline_first(load: Callable[[], T], allow_network: bool) -> T:
    """``load()`` without the network, which is all that cached weights need; then, if allowed, with it.

    Without this a cached model would wait for the hub's time-outs on a machine that is offline.
    """
    try:
        with network(False):
            return load()
    except Exception:
        if not allow_network or offline_by_choice():
            raise
    with network(True):
        return load()


@contextlib.contextmanager
def network(allowed: bool) -> Iterator[None]:
    """Within the block the hub's libraries stay off the network unless ``allowed``."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not allowed
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
