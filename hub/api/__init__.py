"""The REST door: it parses a request into a Struct, calls one command, and encodes the answer.

entrance   what every request passes first: id, origin, limit, the log of requests
requests   who asks, the body, paging, what counts against which limit
answers    JSON and problem documents
uploads    a picture on its way in
forms      multipart/form-data as it comes
content    a picture on its way out
streams    the log as a response that does not end
events  merchants  keys  session  sessions  health  metrics  pages   one per family of routes
"""
