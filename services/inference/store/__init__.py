"""The places where inference keeps things: tables, documents about users, the spool of answers."""
