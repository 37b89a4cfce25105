"""Every route of the HTTP door, in one table."""

from starlette.routing import BaseRoute, Mount, Route

from . import events, health, keys, merchants, pages, session

ROUTES: list[BaseRoute] = [
    Route("/", pages.dashboard, methods=["GET"]),
    Route("/healthz", health.alive, methods=["GET"]),
    Route("/readyz", health.ready, methods=["GET"]),
    Route("/api/session", session.show, methods=["GET"]),
    Route("/api/session", session.sign_in, methods=["POST"]),
    Route("/api/events", events.read, methods=["GET"]),
    Route("/api/events", events.publish, methods=["POST"]),
    Route("/api/merchants", merchants.list_, methods=["GET"]),
    Route("/api/merchants", merchants.create, methods=["POST"]),
    Route("/api/merchants/{id}", merchants.get, methods=["GET"]),
    Route("/api/keys", keys.list_, methods=["GET"]),
    Route("/api/keys", keys.create, methods=["POST"]),
    Route("/api/keys/{id}", keys.revoke, methods=["DELETE"]),
    Mount("/static", pages.StaticPages()),
]
