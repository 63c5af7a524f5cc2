"""A real Prometheus scrapes a watch that runs; its tools read what is shipped for it."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.real.processes import free_port
from tests.real.prometheus import Prometheus, promtool
from tests.support.command import emulator, end, read_until, run, start

_ROOT = Path(__file__).parents[2]
_ALERTS = _ROOT / "deploy/prometheus/alerts.yml"
_DASHBOARD = _ROOT / "deploy/grafana/wxcontacts.json"
METRICS = {
    "wxcontacts_calls_total": {"gateway", "result"},
    "wxcontacts_call_duration_seconds_bucket": {"gateway", "le"},
    "wxcontacts_call_duration_seconds_count": {"gateway"},
    "wxcontacts_call_duration_seconds_sum": {"gateway"},
    "wxcontacts_instances": {"gateway", "state"},
    "wxcontacts_instance_duration_seconds_bucket": {"gateway", "le"},
    "wxcontacts_contacts_total": {"gateway", "kind"},
    "wxcontacts_rejected_contacts_total": {"gateway"},
    "wxcontacts_gateway_up": {"gateway"},
    "wxcontacts_sync_changes_total": {"change"},
    "wxcontacts_sync_last_success_timestamp_seconds": set(),
    "wxcontacts_suspicious_instances": set(),
    "wxcontacts_store_up": set(),
    "wxcontacts_event_loop_lag_seconds": set(),
}
_OPTIONS = ("--instances", "20", "--contacts", "30", "--initializing", "0", "--refusing", "0.3")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Watch an emulated gateway; give the address where its metrics are."""
    folder: Path = tmp_path_factory.mktemp("watch")
    w_ids = run("emulator", "--list", "--instances", "20").output
    (folder / "w_ids.txt").write_text(w_ids)
    address = f"127.0.0.1:{free_port()}"
    with emulator(*_OPTIONS) as url:
        options = ("--gateway", url, "--every", "1s", "--from", "w_ids.txt")
        process = start("watch", *options, "--listen", address, folder=folder)
        with process:
            try:
                read_until(process, "Watching 20 instances")
                yield address
                process.send_signal(signal.SIGTERM)
                assert end(process).code == 0
            finally:
                process.kill()


def test_its_query_api_answers_for_each_metric_alert_and_panel(watched: str) -> None:
    dashboard = json.loads(_DASHBOARD.read_text(encoding="utf-8"))
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(panels) > 10
    with Prometheus(watched, _ALERTS) as prometheus:
        for name, labels in METRICS.items():
            found = prometheus.query_until(name)
            assert set(found[0]["metric"]) == {"__name__", "instance", "job", *labels}
        ready = prometheus.query_until('wxcontacts_calls_total{result="ready"} > 0')
        assert float(ready[0]["value"][1]) > 0
        assert prometheus.query_until('wxcontacts_calls_total{result="refused"} > 0')
        assert prometheus.query_until("sum(wxcontacts_sync_changes_total) > 0")
        assert prometheus.query_until("wxcontacts_gateway_up == 1")
        assert prometheus.query_until("wxcontacts_store_up == 1")
        assert prometheus.query_until(
            "time() - wxcontacts_sync_last_success_timestamp_seconds < 60"
        )
        assert "WxcontactsGatewayDown" in prometheus.rules()
        for panel in panels:
            assert prometheus.query_until(panel)


def test_promtool_is_content_with_the_metrics(watched: str) -> None:
    with urlopen(f"http://{watched}/metrics", timeout=30) as answer:  # it is http
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        metrics = answer.read()
    assert b"wxcontacts_calls_total" in metrics
    assert promtool("check", "metrics", given=metrics) == ""


def test_promtool_is_content_with_the_alerts_which_fire_when_they_should(tmp_path: Path) -> None:
    tests = _ROOT / "tests/instrumentation/alerts_test.yml"
    for file in (_ALERTS, tests):
        shutil.copy(file, tmp_path)
    assert "7 rules found" in promtool("check", "rules", "alerts.yml", folder=tmp_path)
    assert "SUCCESS" in promtool("test", "rules", tests.name, folder=tmp_path)
