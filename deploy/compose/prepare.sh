#!/bin/sh
# prepare.sh [FOLDER]: makes the passwords (.env) and keys (secrets/) that compose.yaml needs, beside
# it or in FOLDER. What is there already stays as it is.
set -eu
cd "${1:-$(dirname "$0")}"
umask 077

if [ ! -e .env ]; then
    for name in POSTGRES_PASSWORD MONGO_PASSWORD REDIS_PASSWORD S3_SECRET_KEY ADMIN_PASSWORD \
        GRAFANA_PASSWORD; do
        echo "$name=$(openssl rand -hex 24)"
    done > .env.new
    mv .env.new .env
fi

mkdir -p secrets
for name in assertion artefact; do
    [ ! -e "secrets/$name.pem" ] || continue
    openssl genpkey -algorithm ed25519 -out "secrets/$name.new"
    openssl pkey -in "secrets/$name.new" -pubout -out "secrets/$name.pub.pem"
    mv "secrets/$name.new" "secrets/$name.pem"
done
# Containers read these as user 10001; on this machine the folder's mode keeps everybody else out.
chmod 0644 secrets/*.pem
