#!/bin/bash
# Migrates the database, then becomes the command it was given.
set -euo pipefail

if [[ "${1:-}" == gunicorn ]]; then
    # Counters of an earlier life of this container would be added to the new ones.
    rm -rf -- "${PROMETHEUS_MULTIPROC_DIR:?}"
    mkdir -p -- "$PROMETHEUS_MULTIPROC_DIR"

    python -m app.migrate --wait "${MIGRATION_WAIT_S:-5}" || {
        status=$?
        # 75: no database yet. Serve all the same, so that /health says so, logs tell why and
        # one can look around inside; migrate as soon as the database is there.
        [[ $status == 75 ]] || exit "$status"
        python -m app.migrate --wait inf &
    }
fi
exec "$@"
