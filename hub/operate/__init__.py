"""Running a hub: the subcommands of `run.py`.

serve       the hub itself, from the lock to the drain
worker      jobs of the queues, beside hubs or on another machine
migrate     the schema, and nothing else
admin       keys from the command line, by the running hub where there is one
database    the database that the settings name
doctor      what is configured, what is wrong, and what to do about it
first_start the data directory, the demo merchant and the first keys
lock        one process per data directory
banner      what a person sees at the start
logs        structured logs, readable on a terminal
"""
