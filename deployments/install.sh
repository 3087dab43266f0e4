#!/bin/sh
# Makes the environment of `make setup`: install.sh VENV PYTHON [UV]. Says what comes, how much, and every 20 s how far it is.
set -eu
venv=$1 python=$2 uv=${3:-} log=$1-setup.log started=$(date +%s)

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    found=$("$python" --version 2>/dev/null) || found="no Python at $python"
    echo "expected Python 3.11 or later, got $found: name one with PYTHON=/path/to/python3.11" >&2
    exit 1
}
free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1000000) }')
echo "Installing $(grep -c '==' requirements.lock) packages into $venv: about 3.4 GB to download (most of it PyTorch for GPUs),"
echo "7 GB on disk ($free GB are free here). At 100 Mbit/s the download takes about five minutes. Log: $log"

quietly() {
    "$@" >>"$log" 2>&1 &
    job=$!
    trap 'kill $job 2>/dev/null' INT TERM
    seconds=0
    while kill -0 $job 2>/dev/null; do
        sleep 1
        seconds=$((seconds + 1))
        [ $((seconds % 20)) -ne 0 ] || echo "  $(($(date +%s) - started)) s: $(tail -n 1 "$log" | sed 's/^ *//' | cut -c1-90)"
    done
    wait $job || {
        tail -n 5 "$log" >&2
        echo "installing failed; $log has all of it. \`make setup\` tries again" >&2
        exit 1
    }
}

: >"$log"
if [ -n "$uv" ]; then
    quietly "$uv" venv --allow-existing --python "$python" "$venv"
    quietly "$uv" pip install --python "$venv/bin/python" --require-hashes -r requirements.lock
    quietly "$uv" pip install --python "$venv/bin/python" --no-deps --no-build-isolation -e .
else
    quietly "$python" -m venv "$venv"
    # Also as constraints: older pips take the newest version of what is asked for with extras, such as sqlalchemy[asyncio].
    quietly "$venv/bin/python" -m pip install --disable-pip-version-check --require-hashes -r requirements.lock -c requirements.lock
    quietly "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
fi
echo "Ready after $(($(date +%s) - started)) s. \`. $venv/bin/activate\` puts the command memshield on your path."
