"""The other end of the line: packets come in, are made durable, confirmed, and stored once.

    inputs ──► server ──► queue ──► workers ──► store
    pure       process    durable   processes   once

`inputs/` turn a body into packets, one way to write them a file; `server` makes them durable in a queue (`queues/`)
before it says ok; `worker` brings them into a store (`stores/`), whose permanent key keeps each of them once.
"""
