"""House rules that no compiler checks. Prints all offences, each with its reason.

Usage: tidy.py ROOT
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
SOURCES = sorted(p for top in ("server", "client", "tests") for p in (ROOT / top).rglob("*") if p.suffix in (".cc", ".h"))
offences = []


def offend(path, line, rule):
    offences.append(f"{path.relative_to(ROOT)}:{line}: {rule}")


def forbid(pattern, rule, where, but=()):
    """`pattern` may not occur in files under `where`, apart from those in `but`."""
    for path in SOURCES:
        name = str(path.relative_to(ROOT))
        if not name.startswith(where) or any(name.startswith(b) for b in but):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            code = line.split("//")[0]
            if re.search(pattern, code):
                offend(path, number, rule)


forbid(r"\b(throw|catch)\b|#include <(pqxx|libpq)", "exceptions, libpqxx and libpq stay in server/postgres", "server/",
       but=("server/postgres/",))
forbid(r"\bstd::thread\b", "threads have owners (ARCHITECTURE.md)", "server/",
       but=("server/admission/line", "server/postgres/pool", "server/postgres/canceller", "server/query/hub", "server/readiness",
            "server/observe/log", "server/admin/port"))
forbid(r"std::(cerr|cout)|\b(f|v)?printf\(|fputs\(", "only server/observe writes logs, and main what is asked of it", "server/",
       but=("server/observe/", "server/main.cc"))
forbid(r"\b(SleepFor|usleep|sleep_for|sleep)\(", "tests wait for what they wait for (Eventually), never for time", "tests/",
       but=("tests/screenshot/", "tests/support/process.cc", "tests/benchmark/listen.cc", "tests/benchmark/overload.cc"))  # those keep a pace
forbid(r"absl::Mutex\b", "sluice::Mutex, which ThreadSanitizer knows", "server/", but=("server/base/mutex.h",))
forbid(r"absl/synchronization|std::mutex", "sluice::Mutex, which is annotated", "server/", but=("server/base/mutex.h", "server/main.cc"))

# A floor may include the floors below it, never above.
FLOORS = {"base": 1, "sql": 2, "config": 2, "observe": 2, "auth": 3, "admission": 3, "codec": 3, "postgres": 3, "query": 4,
          "rpc": 5, "admin": 5}
for path in SOURCES:
    parts = path.relative_to(ROOT).parts
    if parts[0] != "server" or len(parts) < 3:
        continue
    for number, line in enumerate(path.read_text().splitlines(), 1):
        included = re.match(r'#include "server/(\w+)/', line)
        if included and FLOORS[included[1]] > FLOORS[parts[1]]:
            offend(path, number, f"{parts[1]} is below {included[1]}")

# Every error reason is explained to callers.
errors_md = (ROOT / "docs/errors.md").read_text()
for name in ("server/base/errors.cc", "server/postgres/sqlstate.cc"):
    path = ROOT / name
    for number, line in enumerate(path.read_text().splitlines(), 1):
        for reason in re.findall(r'"([A-Z][A-Z_]{4,})"', line):
            if f"`{reason}`" not in errors_md:
                offend(path, number, f"docs/errors.md does not explain {reason}")

# Every source is in a target. Macros make targets of a name: conformance_test(name = "x_test").
for path in SOURCES:
    targets = "".join(build.read_text() for build in (*path.parent.glob("BUILD.bazel"), *path.parent.glob("*.bzl")))
    if f'"{path.name}"' not in targets and f'name = "{path.stem}"' not in targets:
        offend(path, 1, "in no BUILD target: dead, or forgotten")

for path in SOURCES:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if "TODO" in line:
            offend(path, number, "a TODO is an issue, or it is nothing")
    if path.suffix == ".h":
        guard = "SLUICE_" + re.sub(r"\W", "_", str(path.relative_to(ROOT))).upper() + "_"
        if f"#ifndef {guard}\n" not in path.read_text():
            offend(path, 1, f"its guard should be {guard}")

print("\n".join(offences) or "no offences")
print("longest files:")
for lines, path in sorted(((len(p.read_text().splitlines()), p) for p in SOURCES), reverse=True)[:10]:
    print(f"  {lines:4} {path.relative_to(ROOT)}")
sys.exit(1 if offences else 0)
