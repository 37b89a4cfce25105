"""HTTP/1.1 with bounds: what uvicorn is given as `Config(http=GuardedHttp)`.

connection   the asyncio protocol: octets, time, one request after another
head         what the head of a request has to be (pure)
boundary     where a head ends
deadline     one timer for a connection
http10       responses of unknown length without chunks
refusals     problem documents for what is refused, and a log that a flood cannot fill
transport    reading held back, socket options, who is told how writing fares
bounds       the numbers
"""

from .bounds import HTTP_CONNECTIONS, IDLE_SECONDS
from .connection import GuardedHttp
from .transport import WriterListener

__all__ = ["HTTP_CONNECTIONS", "IDLE_SECONDS", "GuardedHttp", "WriterListener"]
