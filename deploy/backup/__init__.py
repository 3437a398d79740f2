"""Takes everything that Millrace keeps to one folder, and back: `make backup`, `make restore`."""
