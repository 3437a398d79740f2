"""Migrations of inference's database."""
