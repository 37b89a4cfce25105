"""Message templates: their language, WhatsApp's limits, and filling them in; pure, no I/O.

`content` is what a template says, `language` finds the placeholders in a text, `limits` are the
numbers, `rules` what a template must be besides, `filling` puts values into it.
"""
