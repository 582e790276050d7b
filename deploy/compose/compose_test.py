"""The compose file is one, names files and settings that there are, and its parts understand their configurations."""
import configparser
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

here = pathlib.Path(sys.argv[0]).parent
compose = yaml.safe_load((here / "compose.yaml").read_text())
variables = set(re.findall(r"`((?:SLUICE_|DATABASE_)[A-Z_]+)`", pathlib.Path(sys.argv[1]).read_text()))
services = compose["services"]

# Every file that is brought in is there.
for name, service in services.items():
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        assert not source.startswith(".") or (here / source).is_file(), f"{name}: there is no {source}"
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:"), f"{name}: {port} is for everybody"
    if "build" in service:
        assert (here / service["build"]["context"] / service["build"]["dockerfile"]).is_file(), name

# The gateway's settings are settings, and its database is the pooler.
environment = services["sluice"]["environment"]
assert set(environment) <= variables, set(environment) - variables
pooler = configparser.ConfigParser()
pooler.read(here / "pgbouncer.ini")
assert f"pgbouncer:{pooler['pgbouncer']['listen_port']}/" in environment["DATABASE_URL"]
assert int(environment["SLUICE_POOL_SIZE"]) <= int(pooler["pgbouncer"]["default_pool_size"])

# Prometheus finds what it asks for where it is mounted.
prometheus = (here / "prometheus.yaml").read_text()
with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
    file.write(prometheus.replace("/etc/prometheus/alerts.yaml", str((here / "../prometheus/alerts.yaml").resolve())))
    file.flush()
    checked = subprocess.run(["promtool", "check", "config", file.name], capture_output=True, text=True, check=False)
assert checked.returncode == 0, checked.stdout + checked.stderr
assert environment["SLUICE_ADMIN_LISTEN"].split(":")[1] in prometheus
