#!/bin/sh
# assemble.sh packages|code SERVICE TARGET: fills an environment at TARGET with what one service
# needs. Its locked packages come first, because they change less often than the code.
set -eu
step=$1 service=$2 target=$3

case $step in
packages)
    uv venv --quiet "$target"
    uv pip install --quiet --python "$target/bin/python" --no-deps --compile-bytecode \
        --require-hashes --requirement "services/$service/requirements.txt"
    ;;
code)
    wheels=$(mktemp -d)
    for part in contracts chassis "services/$service"; do
        (cd "$part" && hatchling build --target wheel --directory "$wheels" >/dev/null)
    done
    uv pip install --quiet --python "$target/bin/python" --no-deps --compile-bytecode \
        --no-index "$wheels"/*.whl
    rm -r "$wheels"
    ;;
*)
    echo "usage: assemble.sh packages|code SERVICE TARGET" >&2
    exit 2
    ;;
esac
