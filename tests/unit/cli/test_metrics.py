"""What ``lab bridge --metrics`` answers, without a bridge."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import fields
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from helpers.bridge import Counts, Snapshot
from helpers.cli import metrics
from helpers.errors import LessonError


def snapshot(**changes: Any) -> Snapshot:
    settings: dict[str, Any] = {
        "state": "carrying", "counts": Counts(received=9, acked=7), "in_flight": 2, "held": 1_900,
        "oldest_unacked": 0.5, "stalled": False, "last_error": 'a "quoted" error\nof two lines',
    }  # fmt: skip
    return Snapshot(**settings | changes)


def get(url: str) -> tuple[int, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_each_count_is_a_counter_and_what_rises_and_falls_a_gauge() -> None:
    families = {each.name: each for each in text_string_to_metric_families(metrics.exposition(snapshot(), "bridge"))}
    assert {name for name, each in families.items() if each.type == "gauge"} == {
        "bridge_state", "bridge_in_flight", "bridge_held_bytes", "bridge_oldest_unacked_seconds", "bridge_stalled"
    }  # fmt: skip
    assert {name for name, each in families.items() if each.type == "counter"} == {
        f"bridge_{each.name}" for each in fields(Counts)
    }
    values = {sample.name: sample.value for each in families.values() for sample in each.samples}
    assert (values["bridge_acked_total"], values["bridge_held_bytes"], values["bridge_stalled"]) == (7, 1_900, 0)
    assert families["bridge_state"].samples[0].labels == {"state": "carrying"}


def test_a_bridge_is_healthy_that_shows_itself_and_does_not_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    with metrics.Metrics(0, "bridge") as server:
        assert [get(server.url + path)[0] for path in ("/metrics", "/health", "/")] == [503, 503, 404]
        server.update(snapshot())
        assert [get(server.url + path)[0] for path in ("/metrics", "/health")] == [200, 200]
        server.update(snapshot(stalled=True))
        code, text = get(f"{server.url}/health")
        assert (code, "STALLED: " in text) == (503, True)
        server.update(snapshot())
        monkeypatch.setattr(metrics, "_SILENT", -1.0)
        assert get(f"{server.url}/health")[0] == 503
        with pytest.raises(LessonError, match="cannot be used"):
            metrics.Metrics(server.server_address[1], "bridge")
