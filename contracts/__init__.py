"""What services promise each other and the world: events, topics, artefacts and the HTTP ledger.

No behaviour lives here; a service that imports this package learns shapes, never how to do things.
"""
