"""RFC 6455 at the hub's own door: the protocol cases of the public WebSocket suite.

The numbers, and what each case sends, are those that the Autobahn Testsuite publishes for servers:
1 framing, 2 pings and pongs, 3 reserved bits, 4 opcodes, 5 fragmentation, 6 UTF-8, 7 closing,
10 automatic fragmentation. All 247 are here, written from their descriptions and the RFC; cases
of our own that belong beside them have a name instead of a number (`beyond`).

The suite expects a server that echoes. The hub does not, so delivery is proved by its own answers:

    the suite sends          here it is                         the hub answers
    a text                   a JSON ping with the text as ref   a JSON pong with the same ref
    a text of a given size   the same, padded to that size      the same
    a text that is no JSON   the same octets                    an `error` frame, `bad_frame`
    a binary message         the same octets                    close 1003, by contract

Where the suite allows several outcomes, one is held here:

    3.2-3.4, 4.1.3-4.1.5, 4.2.3-4.2.5, 5.15   strict: what was whole before the fault is answered
    6.4.1-6.4.4   not fail-fast: a text is judged when it is whole, and then refused with 1007
    7.1.6         the messages before the close are answered, however long
    7.3.1         a close without a code is answered by one without a code
    7.5.1         a close reason that is not UTF-8 is 1007
    7.7.*         a valid code is echoed
    7.13.*        a code above 4999 is a protocol error

Left out: 9 is about speed and has its place in the benchmarks; 12 and 13 are about compression,
of which only its refusal is tested: the hub never accepts an extension (RFC 7692 is optional).
"""
