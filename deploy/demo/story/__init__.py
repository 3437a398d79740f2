"""The chapters of the demo: each does something real on the stage and says what it saw."""
