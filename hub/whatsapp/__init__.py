"""WhatsApp's gateways: one content in the form of each, and their replies in one form; pure.

`messages` are the types, `convert` the way out, with `cloud`, `baileys` and `numbered` for the
gateways and `media` for files; `replies` is the way back.
"""
