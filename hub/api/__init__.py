"""The REST door: it parses a request into a Struct, calls one command, and encodes the answer.

requests   who asks, the body, paging
answers    JSON and problem documents
events  merchants  keys  session  health  pages   one module per family of routes
"""
