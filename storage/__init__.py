"""Rows in, rows out: the databases behind one seam, with SQL in plain sight.

`database` is the seam, `sqlite` its engine, `connect` turns a URL into one, `migrate` brings the
schema up to date. One module per table family holds its statements; they take a Transaction and
know neither the wire nor the event loop.
"""
