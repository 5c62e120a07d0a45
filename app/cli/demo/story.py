"""The Sauerkraut story: one person says stop once, and five databases fall silent."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from standardwebhooks import Webhook

from . import cast, stage
from .cast import DAKAR, MAILING, MARKETING, PLAYERS, SURVEYS, TUNIS, Player, Told
from .narrator import Narrator
from .table import Row, Table, rows_of

PERSON = {"phone": "06 39 98 00 42", "email": "person@example.com"}
WRITER = {"phone": "06 39 98 00 43", "email": "writer@example.com"}
CROWD = [f"06 39 98 {number:04}" for number in range(1_000, 2_000)]
WITH_ADDRESS_EVERY = 10
LOOK_EVERY = 100
HANDS = 4
"""Requests at once from the web form."""
PATIENCE_SECONDS = 45


@dataclass(slots=True)
class Scene:
    """What the acts share: the registry, who was registered, and what runs."""

    narrator: Narrator
    folder: Path
    url: str
    admin: httpx.Client
    stack: ExitStack
    channel_keys: dict[str, str] = field(default_factory=dict)
    told: dict[Player, Told] = field(default_factory=dict)
    addresses: dict[Player, Any] = field(default_factory=dict)
    receipt: dict[str, Any] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)

    def table(self, player: Player) -> Table:
        """Open a receiver's table, which is a file of its own."""
        return Table(self._path(player))

    def client(self, key: str) -> httpx.Client:
        """Talk to the registry with a key, until the story ends."""
        return self.stack.enter_context(_client(self.url, key))

    def start(self, player: Player) -> None:
        """Start a receiver, each a process of its own."""
        told, path = self.told[player], self._path(player)
        if player.pulls:
            running = stage.pulling(path, self.url, told.key)
        else:
            running = stage.receiving(path, self.addresses[player], told.signing_secret)
        self.stack.enter_context(running)

    def _path(self, player: Player) -> Path:
        return self.folder / f"{player.slug}.sqlite"


def play(narrator: Narrator, folder: Path) -> bool:
    """Play the whole story: whether every table equals the registry's list in the end.

    Raises:
        Mishap: something did not go as it must.
    """
    narrator.act("One person says stop, once; five databases fall silent")
    with ExitStack() as stack:
        try:
            scene = _open(narrator, folder, stack)
            _register(scene)
            _one_person(scene)
            _a_forgery(scene)
            _other_channels(scene)
            _silence(scene)
            return _compare(scene)
        finally:
            stage.ignore_signals()


def _open(narrator: Narrator, folder: Path, stack: ExitStack) -> Scene:
    narrator.say("Starting a registry: its own PostgreSQL, a worker, the API")
    url = stack.enter_context(stage.registry(folder))
    key = (folder / "data" / "admin.key").read_text(encoding="ascii").strip()
    narrator.say(f"It answers on {url}")
    return Scene(narrator, folder, url, stack.enter_context(_client(url, key)), stack)


def _register(scene: Scene) -> None:
    scene.narrator.act("Five who must obey, three channels")
    scene.channel_keys = cast.register_house(scene.admin)
    for player in PLAYERS:
        if not player.pulls:
            scene.addresses[player] = stage.reserve_address()
        port = None if player.pulls else scene.addresses[player].getsockname()[1]
        scene.told[player] = cast.register_database(scene.admin, player, port)
    for player in (MARKETING, DAKAR, SURVEYS):
        scene.start(player)
    for player in (MARKETING, DAKAR, SURVEYS):
        _until(f"{player.name} to answer a ping", partial(_answers, scene, player))
    lost = _ping(scene, TUNIS)
    scene.narrator.say("Five databases are registered, each to be told in its own way:")
    notes = {TUNIS: f"down: {lost['detail']}", MAILING: "comes later"}
    scene.narrator.add(
        f"{one.slug:18} {one.means:26} {notes.get(one, 'answers a signed ping')}" for one in PLAYERS
    )


def _one_person(scene: Scene) -> None:
    narrator = scene.narrator
    narrator.act("A person tells an agent in Dakar: stop")
    dialler = scene.client(cast.make_key(scene.admin, "dialler", "checks"))
    _dial(scene, dialler, "allow")
    agent = scene.client(scene.channel_keys["agents-dakar"])
    identifiers = [{"kind": kind, "value": value} for kind, value in PERSON.items()]
    body = {"identifiers": identifiers, "recorded_by": "agent 7"}
    scene.receipt = agent.post("/v1/opt-outs", json=body).raise_for_status().json()
    narrator.say(f"Dakar records it. Receipt {scene.receipt['id']}")
    _dial(scene, dialler, "block")
    _until("three databases to acknowledge", lambda: _silent(scene, MARKETING, DAKAR, SURVEYS))
    state = _hop(scene, TUNIS)["status"]
    said = f"{TUNIS.slug} is {state}: it keeps its place, and nobody waits for it"
    narrator.say(said, "yellow")
    scene.start(MAILING)
    _until("the e-mail provider to acknowledge", lambda: _silent(scene, MAILING))
    narrator.say(f"{MAILING.slug} came late: it took a snapshot, and now follows the feed")


def _dial(scene: Scene, dialler: httpx.Client, expected: str) -> None:
    asked = time.monotonic()
    question = {"phone": PERSON["phone"], "medium": "voice", "brand": cast.BRAND}
    answer = dialler.post("/v1/checks", json=question).raise_for_status().json()
    took = (time.monotonic() - asked) * 1000
    if answer["decision"] != expected:
        raise stage.Mishap(f"The dialler was told {answer['decision']}, not {expected}.")
    scene.narrator.say(
        f"Marketing's dialler asks about {answer['identifier']['masked']}: "
        f"{expected.upper()} ({took:.0f} ms)",
        "green" if expected == "allow" else "bold red",
    )


def _silent(scene: Scene, *players: Player) -> bool:
    """Tell of each database once that has applied the person's objection: whether these have."""
    for hop in _propagation(scene)["databases"]:
        if hop["acknowledged_at"] is not None and hop["database"] not in scene.silent:
            scene.silent.add(hop["database"])
            after = f"{hop['lag_seconds']:.2f} s after the receipt"
            scene.narrator.say(f"{hop['database']} has applied it, {after}", "green")
    return scene.silent.issuperset(player.slug for player in players)


def _a_forgery(scene: Scene) -> None:
    scene.narrator.act("Somebody tries to bring the person back")
    table = scene.table(SURVEYS)
    before = table.suppressed()
    kind, value, *_ = next(iter(before))
    told = {"kind": kind, "format": "hmac-sha256", "value": value}
    lifted: dict[str, Any] = {"identifier": told, "brand": None, "media": [], "version": 99}
    data = {"lane": "main", "previous": 0, "to": 1, "entries": [lifted]}
    body = json.dumps({"type": "suppressions.changed", "data": data})
    at = datetime.now(UTC)
    signature = Webhook("whsec_" + "Zm9yZ2VyeQ" * 4).sign("msg_forged", at, body)
    headers = {
        "webhook-id": "msg_forged",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }
    where = scene.admin.get(f"/v1/databases/{SURVEYS.slug}").json()["delivery"]["url"]
    answer = httpx.post(where, content=body, headers=headers, trust_env=False)
    if answer.status_code != httpx.codes.UNAUTHORIZED or table.suppressed() != before:
        raise stage.Mishap("The forgery was not refused.")
    scene.narrator.say(
        f"{SURVEYS.slug} refuses a batch signed with another key: {answer.status_code}, "
        "and its table is as before"
    )


def _other_channels(scene: Scene) -> None:
    narrator = scene.narrator
    narrator.act("Other people, other channels")
    printed = stage.command(
        *("opt-out", "--phone", "-", "--email", WRITER["email"], "--reference", "letter 1"),
        given=WRITER["phone"],
        OPTOUT_URL=scene.url,
        OPTOUT_KEY=scene.channel_keys["customer-service"],
    )
    narrator.say("Customer service records a letter by the command line:")
    narrator.add(printed.splitlines())
    scene.start(TUNIS)
    narrator.say(f"{TUNIS.slug} is up again, with an empty table; it is tried again by itself")
    began = narrator.seconds
    form = scene.client(scene.channel_keys["web-form"])
    with ThreadPoolExecutor(HANDS) as hands:
        recording = hands.map(partial(_fill_in, form), range(len(CROWD)))
        for number in narrator.count(recording, len(CROWD)):
            if number % LOOK_EVERY == 0:
                _silent(scene)
    took = narrator.seconds - began
    narrator.say(f"The web form has recorded {len(CROWD):,} people in {took:.1f} s")
    batch = {"medium": "voice", "items": [{"phone": number} for number in CROWD]}
    counts = scene.admin.post("/v1/checks/batch", json=batch).raise_for_status().json()["counts"]
    if counts != {"allow": 0, "block": len(CROWD), "unusable": 0}:
        raise stage.Mishap(f"Of the thousand numbers not all are blocked: {counts}")
    narrator.say(f"The dialler's whole list, checked in one batch: {counts['block']:,} x BLOCK")


def _fill_in(form: httpx.Client, number: int) -> int:
    identifiers = [{"kind": "phone", "value": CROWD[number]}]
    if number % WITH_ADDRESS_EVERY == 0:
        identifiers.append({"kind": "email", "value": f"visitor-{number}@example.com"})
    form.post("/v1/opt-outs", json={"identifiers": identifiers}).raise_for_status()
    return number


def _silence(scene: Scene) -> None:
    scene.narrator.act("Until everybody knows")
    _until("all five to acknowledge", lambda: _silent(scene, *PLAYERS))
    took = _propagation(scene)["time_to_silence_seconds"]
    scene.narrator.say(f"All five have applied the person's objection: {took:.1f} s to silence")
    _until("everybody to have everything", lambda: not _behind(scene))
    scene.narrator.say("Nothing is left to be told")


def _compare(scene: Scene) -> bool:
    scene.narrator.act("Is every table the registry's list?")
    addresses = 2 + len(CROWD[::WITH_ADDRESS_EVERY])
    same = True
    for player in PLAYERS:
        recorded = addresses + (len(CROWD) + 2 if player.phones else 0)
        lines = scene.client(scene.told[player].key).get("/v1/snapshot").raise_for_status()
        listed = set(rows_of(map(json.loads, lines.text.splitlines())))
        difference = differ(scene.table(player).suppressed(), listed, recorded)
        said = f"{player.slug:18} {recorded:6,} rows, {difference or 'equal'}"
        scene.narrator.say(said, "bold red" if difference else "green")
        same = same and not difference
    return same


def differ(kept: set[Row], listed: set[Row], recorded: int) -> str:
    """Say how a table differs from the registry's list, or both from what was recorded."""
    if kept != listed:
        return f"{len(listed - kept)} missing or old, {len(kept - listed)} more than listed"
    # Both may be wrong in the same way, and an empty table equals an empty list.
    return "" if len(kept) == recorded else f"but {len(kept):,} in table and list"


def _behind(scene: Scene) -> list[str]:
    page = scene.admin.get("/v1/databases").raise_for_status().json()
    return [one["slug"] for one in page["items"] if one["lag_entries"]]


def _answers(scene: Scene, player: Player) -> bool:
    return bool(_ping(scene, player)["delivered"])


def _ping(scene: Scene, player: Player) -> dict[str, Any]:
    answer = scene.admin.post(f"/v1/databases/{player.slug}/ping")
    return dict(answer.raise_for_status().json())


def _propagation(scene: Scene) -> dict[str, Any]:
    answer = scene.admin.get(f"/v1/opt-outs/{scene.receipt['id']}/propagation")
    return dict(answer.raise_for_status().json())


def _hop(scene: Scene, player: Player) -> dict[str, Any]:
    hops = _propagation(scene)["databases"]
    return next(hop for hop in hops if hop["database"] == player.slug)


def _until(what: str, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise stage.Mishap(f"Waited {PATIENCE_SECONDS} s in vain for {what}.")
        time.sleep(0.05)


def _client(url: str, key: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)
