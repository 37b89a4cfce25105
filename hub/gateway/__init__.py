"""The socket: from bytes on `/ws` to frames, and back.

socket     the asyncio protocol that uvicorn is given: reads, writes, holds back, closes
careful    everything that the socket's fast path leaves, over websockets' sans-I/O parser
handshake  the request: origin, credential, filter, or the refusal
session    one authenticated connection: what its frames mean
publishing events and batches on their way to the log, and their answers
gateway    all connections: registry, heartbeat, presence of bots, drain
"""
