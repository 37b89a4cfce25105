"""Every verb once, for whichever door it comes through.

A command takes the services, who acts, and a Struct that was checked at the door; it checks what
that principal may do, and its change is one commit of the log.
"""
