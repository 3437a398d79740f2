"""From an uploaded file to a typed table: arrays and columns, no web, no database."""
