"""Webhooks: events of a merchant's log, posted to the addresses that the merchant named.

`feeder` reads the log behind the commit and writes a delivery for each event and endpoint that
match; `deliver` makes one attempt; the rest is what they are made of.
"""
