"""The only place with SQL: repositories take and return domain values."""
