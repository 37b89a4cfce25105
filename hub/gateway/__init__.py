"""The live connections: from bytes on `/ws` to frames and back, and streams over HTTP.

socket      the asyncio protocol that uvicorn is given: reads, writes, holds back, closes
careful     everything that the socket's fast path leaves, over websockets' sans-I/O parser
handshake   the request: origin, credential, filter
opening     from the request to a session, or to the refusal
session     one authenticated connection: what its frames mean
subscribing a filter put into force, for sockets and streams
tasking     what the gateway needs of who hands tasks to bots
publishing  events and batches on their way to the log, and their answers
streams     the log over HTTP: responses that do not end
polls       the log over HTTP: requests that wait
connections who is connected: by session, key and browser
presence    bots coming and going, as events
gateway     all of them: admission, heartbeat, slow readers, drain
"""
