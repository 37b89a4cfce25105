"""What each task is given: the arguments of its jobs, typed.

media_processing    optimize
message_sending     send, bulk
order_processing    process
webhook_delivery    deliver
"""

from typing import Any

from msgspec import Struct

from hub.templates.content import Content


class Optimize(Struct, frozen=True):
    """Make the sizes of an uploaded picture."""

    media_id: str


class Send(Struct, frozen=True, omit_defaults=True):
    """Send one message.

    Attributes:
        message_id: its row in `messages`, and its stable id for the bot that sends it.
        to: the recipient's phone.
        text: what it says, where that is no template.
        template_id: of which template it is made.
        variables: what is filled in.
        content: the template with its variables filled in, once that is done.
    """

    message_id: str
    to: str
    text: str | None = None
    template_id: str | None = None
    variables: dict[str, Any] = {}
    content: Content | None = None


class To(Struct, frozen=True, omit_defaults=True):
    """One recipient of many, as the caller writes it, and the values for it alone."""

    to: str
    variables: dict[str, Any] = {}


class Repeated(Struct, frozen=True, omit_defaults=True):
    """What a recurring job of `message_sending` sends each time; see `Send`.

    Attributes:
        template: the id or the name of an active template, where it is no text.
    """

    to: str
    text: str | None = None
    template: str | None = None
    variables: dict[str, Any] = {}


class RepeatedBulk(Struct, frozen=True, omit_defaults=True):
    """What a recurring job of `message_sending` sends to many each time; see `Bulk`.

    Attributes:
        template: the id or the name of an active template.
        recipients: each with its `to`, and its `variables` where it has its own.
    """

    template: str
    recipients: list[To]
    variables: dict[str, Any] = {}


class Bulk(Struct, frozen=True, omit_defaults=True):
    """Send a template to many; the recipients stand in `job_inputs` until they are jobs.

    Attributes:
        variables: what is filled in for recipients that do not say otherwise.
    """

    template_id: str
    total: int
    variables: dict[str, Any] = {}


class Process(Struct, frozen=True):
    """Bring an order on its way."""

    order_id: str


class Deliver(Struct, frozen=True):
    """Post one event to one webhook; the job's id is the delivery's.

    Attributes:
        event_id: of the event.
    """

    webhook_id: str
    event_id: str
    event_type: str
