"""Migrations of training's database."""
