"""The dashboard asks for metrics that there are, in queries that Prometheus understands."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

dashboard = json.loads(pathlib.Path(sys.argv[1]).read_text())
operations = pathlib.Path(sys.argv[2]).read_text()

# Names of histograms are told without what Prometheus adds to them.
KNOWN = set(re.findall(r"`([a-z_]+)`", operations))
METRIC = re.compile(r"\b((?:sluice|db_client|rpc)_[a-z_]+)")

queries = {}
for panel in dashboard["panels"]:
    for target in panel.get("targets", []):
        queries[f"{panel['title']} {target['refId']}"] = target["expr"]
variables = [v["query"]["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"]
assert len(queries) > 30, len(queries)

for text in [*queries.values(), *variables]:
    for name in METRIC.findall(text):
        assert name in KNOWN or re.sub("_(bucket|sum|count)$", "", name) in KNOWN, f"{name} is not in docs/operations.md"

# Grafana puts these in; promtool reads what comes of it.
rules = [{"record": f"query:{i}", "expr": q.replace("$__rate_interval", "1m").replace("$job", ".*").replace("$instance", ".*")}
         for i, q in enumerate(queries.values())]
with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
    json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
    file.flush()
    checked = subprocess.run(["promtool", "check", "rules", file.name], capture_output=True, text=True, check=False)
assert checked.returncode == 0, checked.stdout + checked.stderr
assert f"{len(rules)} rules found" in checked.stdout, checked.stdout

ids = [panel["id"] for panel in dashboard["panels"]]
assert len(ids) == len(set(ids))
