"""Templates of every type with their values and files, as the golden files show them converted."""

from __future__ import annotations

from typing import Any, get_args

from msgspec import Struct

from hub.templates.content import Content
from hub.templates.filling import Filled, fill
from hub.whatsapp.convert import convert
from hub.whatsapp.messages import Converted, Format, MediaSource
from storage.merchant_records import Button, Section, SectionRow, TemplateMedia

FORMATS: tuple[Format, ...] = get_args(Format)
TO = "34600111222"

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)
"""A PNG of one pixel."""


class Example(Struct, frozen=True):
    content: Content
    values: dict[str, Any] = {}
    media: MediaSource | None = None

    def filled(self) -> Filled:
        return fill(self.content, self.values)

    def converted(self, format_: Format) -> Converted:
        return convert(self.filled(), format_, TO, self.media)


ORDER = {"order_id": "A-1042", "amount": 23.5, "eta": "18:30", "name": 'Zoë "Z" {{name}}'}

EXAMPLES: dict[str, Example] = {
    "text": Example(
        Content(type="text", body="Hello {{name}}, order {{order_id}} is on its way."), ORDER
    ),
    "text-with-header": Example(
        Content(type="text", header="News of {{order_id}}", body="Hello!", footer="The shop"),
        ORDER,
    ),
    "buttons": Example(
        Content(
            type="buttons",
            header="Order {{order_id}}",
            body="Thank you, {{name}}! {{amount}} € are paid; we come at {{eta}}.",
            footer="The shop",
            buttons=[Button("track", "Track {{order_id}}"), Button("help", "Help", "help:order")],
        ),
        ORDER,
    ),
    "buttons-bare": Example(
        Content(type="buttons", body="Pay now?", buttons=[Button("pay", "Pay")])
    ),
    "buttons-three": Example(
        Content(
            type="buttons",
            body="Which size?",
            buttons=[Button(f"size-{size}", size) for size in ("S", "M", "L")],
        )
    ),
    "buttons-four": Example(
        Content(
            type="buttons",
            body="Which size?",
            buttons=[Button(f"size-{size}", size) for size in ("S", "M", "L", "XL")],
        )
    ),
    "list": Example(
        Content(
            type="list",
            header="Menu",
            body="What may it be, {{name}}?",
            footer="The shop",
            button_text="Open the menu",
            sections=[
                Section(
                    [SectionRow("soup", "Soup", "Of the day"), SectionRow("bread", "Bread")],
                    "Starters",
                ),
                Section([SectionRow("fish", "Fish for {{name}}", "{{amount}} €")], "Mains"),
            ],
        ),
        ORDER | {"name": "Zoë"},
    ),
    "list-bare": Example(
        Content(
            type="list",
            body="When?",
            sections=[Section([SectionRow("am", "Morning"), SectionRow("pm", "Afternoon")])],
        )
    ),
    "image": Example(
        Content(
            type="media",
            media=TemplateMedia(
                "image", "https://shop.example/p/{{order_id}}.png", caption="For {{name}}"
            ),
        ),
        ORDER,
        MediaSource(data_base64=PIXEL),
    ),
    "image-bare": Example(
        Content(type="media", media=TemplateMedia("image", media_id="0199-media")),
        {},
        MediaSource(
            url="https://hub.example/api/media/1/content", mime_type="image/webp",
            file_name="shoe.webp", data_base64=PIXEL,
        ),
    ),
    "document": Example(
        Content(
            type="media",
            header="Invoice",
            body="Order {{order_id}}",
            footer="The shop",
            media=TemplateMedia("document", "https://shop.example/i/{{order_id}}.pdf"),
        ),
        ORDER,
        MediaSource(id="1013859600285441", data_base64="JVBERi0xLjQ=", size=8),
    ),
    "document-named": Example(
        Content(type="media", media=TemplateMedia("document", "https://shop.example/download")),
        {},
        MediaSource(file_name="Précis.xlsx", data_base64="UEsDBA=="),
    ),
}  # fmt: skip
