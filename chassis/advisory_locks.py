"""The numbers of all advisory locks on PostgreSQL, in one place so that no two are the same.

Databases are a service's own, so services never wait for each other. SQLite files have one process
each and need none.
"""

#: Sends what waits in the outbox.
RELAY = 7_041_776
#: Held shared by who adds rows that are their own outbox, and alone by who looks for their end.
FENCE = 7_041_777
#: With a tenant's hash beside it: looks for repeats among the tenant's rows.
WRITERS = 7_041_778
#: With a hash of the errand beside it: `Transaction.take_turns`.
TURNS = 7_041_779
#: Brings the tables up to date.
MIGRATIONS = 7_041_780
#: With a tenant's hash beside it: held shared by who keeps facts, alone by who erases a person.
ERASURES = 7_041_789
