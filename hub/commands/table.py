"""All commands, by the names under which `call` knows them."""

from . import (
    audit,
    browsers,
    conversations,
    delivery_tasks,
    health,
    job_selections,
    jobs,
    keys,
    media,
    merchants,
    messages,
    orders,
    payments,
    previews,
    products,
    queues,
    recurring,
    sending,
    sessions,
    template_versions,
    templates,
    webhook_deliveries,
    webhooks,
)
from .command import Command

COMMANDS: dict[str, Command] = {
    command.name: command
    for command in sorted(
        (
            *audit.COMMANDS,
            *browsers.COMMANDS,
            *conversations.COMMANDS,
            *delivery_tasks.COMMANDS,
            *health.COMMANDS,
            *job_selections.COMMANDS,
            *jobs.COMMANDS,
            *keys.COMMANDS,
            *media.COMMANDS,
            *merchants.COMMANDS,
            *messages.COMMANDS,
            *orders.COMMANDS,
            *payments.COMMANDS,
            *previews.COMMANDS,
            *products.COMMANDS,
            *queues.COMMANDS,
            *recurring.COMMANDS,
            *sending.COMMANDS,
            *sessions.COMMANDS,
            *template_versions.COMMANDS,
            *templates.COMMANDS,
            *webhook_deliveries.COMMANDS,
            *webhooks.COMMANDS,
        ),
        key=lambda command: command.name,
    )
}
