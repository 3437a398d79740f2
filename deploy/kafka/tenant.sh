#!/usr/bin/env bash
# Lets one tenant's producers into Kafka, as a user that reaches the tenant's own topics alone.
#
#   BROKERS=kafka:9093 OPERATOR=operator.properties deploy/kafka/tenant.sh <tenant uid> < password
#
# Needs Kafka's own command line tools on the PATH. OPERATOR names a client configuration of
# somebody who may alter users and ACLs. The password is read from the standard input, and the same
# call with another one changes it. The user is called tenant-<tenant uid>; it may
#   - write ingest.<tenant uid>.interactions and ingest.<tenant uid>.conversions,
#   - read ingest.<tenant uid>.rejected, in consumer groups whose names begin with its own,
#   - write in transactions, under transactional ids that begin with its own name.
set -euo pipefail

uid=${1:?usage: tenant.sh <tenant uid>, with the password on the standard input}
[[ $uid =~ ^[0-9a-f-]{36}$ ]] || { echo "a tenant's uid is 36 characters long, not: $uid" >&2; exit 2; }
user=tenant-$uid
kafka=(--bootstrap-server "${BROKERS:?}" --command-config "${OPERATOR:?}")

# Through a file that nobody else can read: what stands on a command line can be seen by everybody.
secret=$(umask 077 && mktemp)
trap 'rm -f "$secret"' EXIT
read -r password
[[ $password =~ ^[A-Za-z0-9_.~-]{16,}$ ]] || { echo "16 or more of A-Z a-z 0-9 _ . ~ -" >&2; exit 2; }
printf 'SCRAM-SHA-512=password=%s\n' "$password" > "$secret"
kafka-configs.sh "${kafka[@]}" --alter --entity-type users --entity-name "$user" \
  --add-config-file "$secret"

kafka-acls.sh "${kafka[@]}" --add --allow-principal "User:$user" \
  --operation Write --operation Describe \
  --topic "ingest.$uid.interactions" --topic "ingest.$uid.conversions"
kafka-acls.sh "${kafka[@]}" --add --allow-principal "User:$user" \
  --operation Read --operation Describe --topic "ingest.$uid.rejected"
kafka-acls.sh "${kafka[@]}" --add --allow-principal "User:$user" \
  --operation Read --group "$user" --resource-pattern-type prefixed
kafka-acls.sh "${kafka[@]}" --add --allow-principal "User:$user" \
  --operation Write --operation Describe \
  --transactional-id "$user" --resource-pattern-type prefixed
