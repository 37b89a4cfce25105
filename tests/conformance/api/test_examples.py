"""The examples of the document are requests that a hub takes."""

from tests.api.conftest import World
from tests.conformance.api.examples import send_all, shown

OTHERWISE = {
    "keys.revoke": 404,  # the hub chooses the ids of keys and of connections
    "sessions.disconnect": 404,
    "conversations.get": 404,  # messages come as events
    "jobs.discard": 409,  # the job of the examples is cancelled, and tried again
    "webhooks.replay": 404,  # nothing was delivered yet
    "orders.delete": 409,  # the order of the examples is confirmed
}
"""What another status shows than success."""


async def test_every_example_works_on_a_fresh_hub(world: World) -> None:
    examples = shown()
    answers = await send_all(world.hub, world.keys["owner"], examples)
    others = [
        each
        for each in examples
        if answers[each.operation].status in (403, 404) and each.operation not in OTHERWISE
    ]
    answers |= await send_all(world.hub, world.keys["admin"], others)
    wrong = {
        operation: (answer.status, answer.body[:300])
        for operation, answer in answers.items()
        if answer.status >= 300 and answer.status != OTHERWISE.get(operation)
    }
    assert wrong == {}
