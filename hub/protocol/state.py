"""A reader's place in the log, without I/O: what a client keeps across connections.

    position(frame)    connected, subscribed, gap, live, ping or event → the cursor afterwards
    accepts(event)     False for one that was seen already

The cursor only moves forward within one epoch. `since` and `epoch` of the next connection are
`offset` and `epoch` of this class.
"""

from .frames import Connected, Event, Gap, Live, ServerPing, Subscribed


class Cursor:
    """The place of one reader in the log.

    Attributes:
        epoch: the log's epoch, or None before the first connection.
        offset: everything up to here has been seen, or None before the first subscription.
        live: whether the reader has caught up since it subscribed.
    """

    def __init__(self, offset: int | None = None, epoch: str | None = None) -> None:
        self.offset = offset
        self.epoch = epoch
        self.live = False
        self._announced: str | None = None

    def accepts(self, event: Event) -> bool:
        """Move past an event; False when it was seen before and is to be dropped.

        A volatile event has no place in the log and is always new.
        """
        if event.offset is None:
            return True
        if self.offset is not None and event.offset <= self.offset:
            return False
        self.offset = event.offset
        return True

    def follow(self, frame: Connected | Subscribed | Gap | Live | ServerPing) -> None:
        """Move as a control frame says."""
        match frame:
            case Connected():
                self.live = False
            case Subscribed():
                # A changed epoch is announced by the gap that follows; until then the old
                # offset stays, so that a cut between the two frames loses nothing.
                self._announced = frame.epoch
                if frame.recovered:
                    self.epoch = frame.epoch
                    if self.offset is None:
                        self.offset = frame.offset
            case Gap():
                self.epoch = self._announced or self.epoch
                self.offset = frame.resume
            case Live() | ServerPing():
                self.offset = (
                    frame.offset if self.offset is None else max(self.offset, frame.offset)
                )
                self.live = self.live or isinstance(frame, Live)
