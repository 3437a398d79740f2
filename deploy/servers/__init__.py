"""Real servers for tests and for people, without Docker: each a context manager over one process.

All listen on 127.0.0.1, on free ports, with data in a throw-away folder, and end with their owner.
"""
