"""The only place of the gateway with SQL."""
