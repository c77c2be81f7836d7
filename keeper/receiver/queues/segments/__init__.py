"""The queue that needs no other program: files of records, written by the server, read by workers from the disk.

    server ──► FOLDER/000000000007.records ──► workers
    appends    a row of segments               one worker a segment

- Only the server makes, appends to and removes segments, and it holds `FOLDER/lock` meanwhile. It appends to the last
  one only, only to one it made itself, and never again to one where a write failed. So what once stood at an offset
  never becomes something else, and a segment that has a later one beside it grows no more.
- A worker reads the first segment whose lock it gets (flock on the segment itself), from its mark on: the first block
  of a segment says how far it is done. The kernel lets go of the lock when the worker ends, whatever ends it. A worker
  that hangs keeps its segment: whoever started it has to end it.
- Marks are written in place: a full disk does not keep workers from getting on. They are not synced for their own sake.
  After a power cut an older one may stand there, and records come again, which the store knows to be the same.
- A record is with the workers as soon as it is written, perhaps before it is durable. If that then fails, the sender is
  refused what is stored already, and sends it again: the same.
"""
