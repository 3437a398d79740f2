"""The only place of billing with SQL."""
