"""Everything that runs in one hub, opened in order and closed in reverse."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec
from anyio import to_thread

from hub.addresses import Proxies
from hub.auth import Authenticator
from hub.gateway.connections import Connections
from hub.gateway.gateway import Gateway
from hub.gateway.presence import Presence
from hub.housekeeping import (
    forget_answers,
    forget_attempts,
    forget_jobs,
    forget_slots,
    sweep_pictures,
)
from hub.media.folder import MediaFolder
from hub.metrics import Metrics
from hub.origins import Origins
from hub.peers import Kept, Peers
from hub.peers import merchant_ids as merchants_of
from hub.probes import LoopLag, Probes
from hub.protocol.ids import uuid7
from hub.quotas import Quotas, quotas
from hub.settings import Settings
from hub.stream.entry import Entry
from hub.stream.fanout import FanOut
from hub.stream.log import EventLog, open_log
from hub.stream.replay import Replay
from hub.stream.retention import keep_retention
from hub.tasks.dispatcher import Dispatcher
from hub.tasks.files import Pictures
from hub.work import start_queues
from hub.work_metrics import WorkMetrics
from hub.workload import Workload
from jobs.broker import Broker
from jobs.control import Queues
from jobs.webhook_delivery.feeder import Feeder
from storage.database import Database
from storage.merchant_records import Job


class Started(NamedTuple):
    """What runs here, and since when.

    Attributes:
        at_ms: milliseconds since 1970.
        monotonic: the same moment in seconds of `time.monotonic`.
    """

    version: str
    at_ms: int
    monotonic: float


_FILE_THREADS = 2


class Services(msgspec.Struct, frozen=True):
    """The parts of a running hub.

    Attributes:
        merchants: the ids of all merchants, kept by the command that makes one.
        media: the files of uploaded pictures; who serves them opens it first.
        queues: what hears of jobs, and has them done.
        feeder: writes the deliveries of webhooks; to be told when one is changed.
        dispatcher: what hands tasks to bots.
        broker: carries the ids of jobs; who opens the services has opened it.
        workload: how much there is to do.
    """

    settings: Settings
    database: Database
    log: EventLog
    fanout: FanOut
    replay: Replay
    authenticator: Authenticator
    origins: Origins
    gateway: Gateway
    quotas: Quotas
    proxies: Proxies
    merchants: set[str]
    metrics: Metrics
    probes: Probes
    loop_lag: LoopLag
    started: Started
    media: MediaFolder
    queues: Queues
    feeder: Feeder
    dispatcher: Dispatcher
    broker: Broker
    workload: Workload


@asynccontextmanager
async def open_services(
    settings: Settings,
    database: Database,
    origins: Origins,
    version: str = "unknown",
    instance: str | None = None,
    broker: Broker | None = None,
) -> AsyncIterator[Services]:
    """Start everything on a migrated database; on leaving, write what was accepted and stop.

    Args:
        instance: the id of this hub among those on the database, which stays over its restarts;
            one for this time without it.
        broker: carries the ids of jobs; without one, jobs wait.
    """
    started = Started(version, time.time_ns() // 1_000_000, time.monotonic())
    event_log = await open_log(database, secrets.token_urlsafe(12), settings.ring_size)
    merchant_ids = await merchants_of(database)
    instance = instance or uuid7()
    media = MediaFolder(settings.media_folder, settings.data_dir, instance, database)
    broker = broker or Broker(None, settings.data_dir, wanted=False)
    failure: Exception | None = None
    # Starlette reads files in threads. Each wants the interpreter, which the database's thread then
    # waits for: 40 of them made a commit take over a second.
    to_thread.current_default_thread_limiter().total_tokens = _FILE_THREADS
    async with asyncio.TaskGroup() as tasks:
        fanout = FanOut(event_log.end)
        feeder = Feeder(event_log, len(settings.webhook_schedule) + 1)

        def listen(entries: list[Entry]) -> None:
            fanout.enqueue(entries)
            feeder.heard(entries)

        event_log.listener = listen
        event_log.congested = lambda: fanout.congested
        fanout.relieved = event_log.wake
        fanout.writing = lambda: event_log.writing
        replay = Replay(event_log, fanout, tasks)
        authenticator = Authenticator(database)
        presence = Presence(event_log, instance)
        connections = Connections(presence, settings.connections_per_key, authenticator.now_ms)
        limits = quotas(settings)
        proxies = Proxies(settings.trusted_proxies)
        gateway = Gateway(
            event_log, fanout, replay, authenticator, origins, connections, limits, proxies,
            merchant_ids, settings.max_connections, tasks,
        )  # fmt: skip
        loop_lag = LoopLag()
        probes = Probes(settings, event_log, broker, tasks)
        metrics = Metrics(gateway, loop_lag, broker, version)
        metrics.webhook_backlog = lambda: feeder.backlog
        event_log.measured = metrics.commit
        writing = tasks.create_task(event_log.run())
        telling = tasks.create_task(presence.run())
        kept = Kept(authenticator, connections, merchant_ids)
        peers = Peers(event_log, presence, kept, instance, tasks)
        await peers.begin()
        endless = [
            tasks.create_task(work) for work in (gateway.keep_time(), loop_lag.run(), peers.run())
        ]
        endless.append(tasks.create_task(forget_answers(event_log)))
        endless.append(tasks.create_task(sweep_pictures(event_log, media)))
        endless.append(tasks.create_task(forget_jobs(event_log)))
        endless.append(tasks.create_task(forget_attempts(event_log)))
        endless.append(tasks.create_task(forget_slots(event_log)))
        queues, working = start_queues(
            settings,
            event_log,
            broker,
            instance,
            settings.workers,
            tasks,
            has_readers=True,
            attempted=metrics.webhook_attempt,
        )
        endless += working
        pictures = Pictures(media, settings.public_url, origins.local_url)
        dispatcher = Dispatcher(event_log, instance, pictures, gateway.spawn)
        dispatcher.draining = lambda: gateway.draining
        gateway.tasks = dispatcher
        endless.append(tasks.create_task(dispatcher.run()))

        workload = Workload(database)
        metrics.add(WorkMetrics(workload, queues, dispatcher))

        def told(jobs: list[Job]) -> None:
            queues.told(jobs)
            dispatcher.told(jobs)

        event_log.queued = told
        await feeder.begin()
        endless.append(tasks.create_task(feeder.run()))
        event_log.torn = gateway.cut_all
        if database.shared:
            endless.append(tasks.create_task(event_log.keep_up()))
        if settings.retention is not None:
            endless.append(tasks.create_task(keep_retention(event_log, settings.retention)))
        try:
            yield Services(
                settings, database, event_log, fanout, replay, authenticator, origins, gateway,
                limits, proxies, merchant_ids, metrics, probes, loop_lag, started, media,
                queues, feeder, dispatcher, broker, workload,
            )  # fmt: skip
        except Exception as error:  # goes on outside of the group, which would wrap it
            failure = error
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await queues.stop()
            peers.end()
            for task in endless:
                task.cancel()
            probes.close()
            presence.close()
            with contextlib.suppress(asyncio.CancelledError):
                await telling
                await peers.leave()
            with contextlib.suppress(asyncio.CancelledError):
                await media.close()
            event_log.close()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
    if failure is not None:
        raise failure
