"""What WhatsApp takes at most. Lengths are in characters: Unicode code points.

A longer label or body is refused by the Cloud API and cut or not shown by the apps.
"""

TEXT = 4096
"""Body of a text message."""
BODY = 1024
"""Body of a message with buttons or a list, and the caption of a picture or document."""
HEADER = 60
FOOTER = 60
BUTTONS = 3
"""Reply buttons of one message; a template with more is sent as a list."""
LABEL = 20
"""Label of a reply button."""
BUTTON_ID = 256
OPENER = 20
"""What opens a list (`button_text`)."""
SECTIONS = 10
CHOICES = 10
"""Rows of a list, in all its sections."""
SECTION_TITLE = 24
ROW_TITLE = 24
ROW_DESCRIPTION = 72
ROW_ID = 200
ADDRESS = 2048
"""Address of a picture or document; a bound of the hub's own."""
IMAGE_BYTES = 5 * 1024 * 1024
DOCUMENT_BYTES = 100 * 1024 * 1024
NAME = 64
"""Name of a variable; a bound of the hub's own."""
