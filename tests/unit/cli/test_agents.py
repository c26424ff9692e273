"""`winnow mcp` as an agent meets it: the official client over standard input and output."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.test_commands import run
from winnow.core import QueryError, Workspace
from winnow.core.cli.agents import AgentTools

mcp = pytest.importorskip("mcp", reason="the package mcp is not installed (pip install 'winnow[mcp]')")

READS = {"describe", "counts", "flagged", "search", "evidence"}


def with_client(path: Path, use: Callable[[Any], Awaitable[None]], *options: str) -> None:
    """Start the server in a process of its own and use it through a client."""
    command = ["-m", "winnow.core.cli", "mcp", str(path), *options]
    server = mcp.StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))

    async def session() -> None:
        async with mcp.Client(mcp.stdio_client(server)) as client:
            await use(client)

    asyncio.run(session())


async def answer(client: Any, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return dict(json.loads(result.content[0].text))


async def refusal(client: Any, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return str(result.content[0].text)


def test_an_agent_that_may_only_look_finds_what_is_flagged_and_why(tiny_ws: Path) -> None:
    async def use(client: Any) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == READS, "nothing that writes is offered"
        assert all(tool.annotations.read_only_hint for tool in tools.values())
        about = await answer(client, "describe")
        assert about["samples"] == 183
        assert about["classes"] == [f"digit {d}" for d in range(4)]
        flagged = await answer(client, "flagged", verdict="noisy_label")
        ids = [row["sample_id"] for row in flagged["samples"]]
        assert flagged["matching"] == len(ids) == about["open_and_settled"]["noisy_label"]
        assert {"s003", "s040", "s077", "s120"} & set(ids)
        label = flagged["samples"][0]["label_now"]
        of_class = await answer(client, "counts", filter={"classes": label, "verdicts": "noisy_label"})
        assert of_class["matching"] == sum(row["label_now"] == label for row in flagged["samples"])
        assert of_class["by_class"] == {label: of_class["matching"]}
        near = await answer(client, "search", like=ids[0], filter={"classes": label}, limit=3)
        assert [row["label_now"] for row in near["samples"]] == [label] * 3

        shown = await client.call_tool("evidence", {"sample_id": ids[0]})
        card, picture = json.loads(shown.content[0].text), shown.content[1]
        assert card["verdict"] == "noisy_label"
        assert card["neighbors"]
        with Workspace.open(tiny_ws) as ws:
            assert (base64.b64decode(picture.data), picture.mime_type) == ws.thumbnail(ids[0])

        assert "No field of a filter is called 'klass'" in await refusal(client, "counts", filter={"klass": "x"})
        assert "'nobody'" in await refusal(client, "evidence", sample_id="nobody")
        unknown = await refusal(client, "decide", sample_ids=ids, action="exclude", reason="x")
        assert "Unknown tool" in unknown

    with_client(tiny_ws, use)
    with Workspace.open(tiny_ws) as ws:
        assert ws.history() == []


def test_an_agent_that_may_write_decides_as_the_named_person_until_the_role_ends(tiny_ws: Path) -> None:
    with Workspace.open(tiny_ws, actor="olga") as ws:
        ws.roles.set("olga", "owner", "olga")
        ws.roles.set("agent of olga", "reviewer", "olga")

    async def use(client: Any) -> None:
        assert {tool.name for tool in (await client.list_tools()).tools} == READS | {"decide", "undo"}
        why = {"reason": "It is a 1."}
        done = await answer(client, "decide", sample_ids=["s003", "s040"], action="relabel", label="digit 1", **why)
        assert done["recorded"] == 2
        assert done["actor"] == "agent of olga"
        assert "people add classes" in await refusal(
            client, "decide", sample_ids=["s005"], action="relabel", label="digit 7", **why
        )
        assert "Give a reason" in await refusal(client, "decide", sample_ids=["s005"], action="exclude", reason=" ")
        assert "1 to 100 samples" in await refusal(client, "decide", sample_ids=["s1"] * 101, action="exclude", **why)
        await answer(client, "decide", sample_ids=["s005"], action="exclude", **why)
        assert (await answer(client, "undo"))["undone"] == ["s005"]
        assert (await answer(client, "describe"))["decisions_in_force"] == {"relabel": 2}
        with Workspace.open(tiny_ws, actor="olga") as ws:
            ws.roles.set("agent of olga", "viewer", "olga")
        assert "is viewer here" in await refusal(client, "decide", sample_ids=["s006"], action="exclude", **why)

    with_client(tiny_ws, use, "--write", "--actor", "agent of olga")
    with Workspace.open(tiny_ws) as ws:
        assert [(d.actor, d.label, d.reason) for d in ws.history(action="relabel")] == [
            ("agent of olga", "digit 1", "It is a 1.")
        ] * 2


def test_a_server_that_may_not_be_started_says_why(tiny_ws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--actor" in run("mcp", tiny_ws, "--write")[2]
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    code, _, err = run("mcp", tiny_ws)
    assert (code, err.count("\n")) == (2, 1)
    assert "pip install 'winnow[mcp]'" in err
    with Workspace.open(tiny_ws, actor="olga") as ws:
        ws.roles.set("olga", "owner", "olga")
        ws.roles.set("vera", "viewer", "olga")
        ws.roles.set_default("none", "olga")
    assert "only a reviewer may decide" in run("mcp", tiny_ws, "--write", "--actor", "vera")[2]
    assert "has no role" in run("mcp", tiny_ws, "--actor", "stranger")[2]


@pytest.mark.parametrize("limit", [0, 101])
def test_a_limit_outside_its_range_is_refused(tiny_ws: Path, limit: int) -> None:
    with Workspace.open(tiny_ws) as ws, pytest.raises(QueryError, match="limit is 1 to 100"):
        AgentTools(ws).flagged(limit=limit)
