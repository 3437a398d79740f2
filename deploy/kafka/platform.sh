#!/usr/bin/env bash
# Lets Millrace's own services into Kafka: what they need, for the one user that they sign in as.
#
#   BROKERS=kafka:9093 OPERATOR=operator.properties deploy/kafka/platform.sh <user>
#
# Needs Kafka's own command line tools on the PATH; OPERATOR as for tenant.sh. This opens
# every topic and every group of the cluster, so it is meant for a cluster of Millrace's own.
set -euo pipefail

user=User:${1:?usage: platform.sh <user>}
kafka=(--bootstrap-server "${BROKERS:?}" --command-config "${OPERATOR:?}")

kafka-acls.sh "${kafka[@]}" --add --allow-principal "$user" \
  --operation Create --operation Read --operation Write --operation Describe \
  --operation DescribeConfigs --topic '*'
# The topics of tenants who are deleted go with them.
kafka-acls.sh "${kafka[@]}" --add --allow-principal "$user" \
  --operation Delete --topic 'ingest.' --resource-pattern-type prefixed
kafka-acls.sh "${kafka[@]}" --add --allow-principal "$user" \
  --operation Read --operation Describe --group '*'
