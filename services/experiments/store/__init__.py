"""The only place of experiments with SQL."""
