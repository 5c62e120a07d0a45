"""Every setting of every process, read once from ``OPTOUT_*`` variables."""

from base64 import b64decode
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from phonenumbers import SUPPORTED_REGIONS
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Network = IPv4Network | IPv6Network

PHONE_REGIONS = SUPPORTED_REGIONS | {"AQ", "BV", "GS", "HM", "PN", "TF", "UM"}
"""Those with a numbering plan, and those of ISO 3166-1 without one, where E.164 still works."""


class SettingUnfit(ValueError):  # noqa: N818 - a state of a setting, told to the operator
    """A setting that cannot be used; the message names it and holds nothing that is secret."""


def _comma_separated(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _networks(value: object) -> object:
    parts = _comma_separated(value)
    if isinstance(parts, tuple):
        return tuple(ip_network(part) if isinstance(part, str) else part for part in parts)
    return parts


def _zone(value: object) -> object:
    try:
        return ZoneInfo(value) if isinstance(value, str) else value
    except (ZoneInfoNotFoundError, OSError):
        raise ValueError("no such time zone is known here; one is Europe/Paris") from None


def _phone_region(code: str) -> str:
    if code not in PHONE_REGIONS:
        raise ValueError("no such region is known here; one is FR")
    return code


def _listened_to(address: str) -> str:
    host, _, port = address.rpartition(":")
    if address and not (host and port.isdecimal() and int(port) < _PORTS):
        raise ValueError("it must be host:port, as 127.0.0.1:9464, or empty")
    return address


def _reached(url: str | None) -> str | None:
    if url is not None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("it must begin with https:// (or http://) and a host")
    return url


def _outlasting(seconds: float, given: ValidationInfo) -> float:
    """Refuse a lease that a request to a database, which is under way, would outlast."""
    if seconds <= 2 * given.data.get("delivery_deadline_seconds", 0):
        raise ValueError("it must be more than twice OPTOUT_DELIVERY_DEADLINE_SECONDS")
    return seconds


def _signing(secret: SecretStr | None, given: ValidationInfo) -> SecretStr | None:
    """Refuse an address without the secret that proves who speaks, or with one that cannot."""
    if secret is None:
        if given.data.get("operations_url") is not None:
            raise ValueError("OPTOUT_OPERATIONS_URL needs a secret to sign with")
        return None
    try:
        key = b64decode(secret.get_secret_value().removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not secret.get_secret_value().startswith("whsec_") or len(key) not in range(24, 65):
        raise ValueError("it must be 'whsec_' and 24 to 64 bytes in base64")
    return secret


def _mailing(tls: str, given: ValidationInfo) -> str:
    """Refuse a server to mail by without a sender, and a password in the clear."""
    if given.data.get("smtp_host") is not None and given.data.get("smtp_sender") is None:
        raise ValueError("OPTOUT_SMTP_HOST needs OPTOUT_SMTP_SENDER")
    if tls == "none" and given.data.get("smtp_password") is not None:
        raise ValueError("OPTOUT_SMTP_PASSWORD is not sent without TLS")
    return tls


_PORTS = 65_536
_LONGEST_SECONDS = 1_000_000
"""PostgreSQL counts them in milliseconds of 31 bits, some doubled."""

Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]
Ports = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_comma_separated)]


class Settings(BaseSettings):
    """The whole configuration; a process reads it once and never changes it.

    What a new one means is said in French too, in ``console/words/wholes.toml``.
    """

    model_config = SettingsConfigDict(
        env_prefix="OPTOUT_",
        frozen=True,
        extra="ignore",
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,  # it may be a secret
    )

    # Where the data lives
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL 15 to 18; unset: the embedded one in the data folder"
    )
    data_dir: Path = Field(
        Path(".optout"), description="folder of the embedded PostgreSQL, its keys and admin.key"
    )
    digest_keys: SecretStr | None = Field(
        None,
        description="keyed digests of contact points, 'number:base64' of 32 bytes, the one that "
        "writes first, comma-separated; unset: made in the data folder (embedded only)",
    )
    sealing_keys: SecretStr | None = Field(
        None, description="encryption of what is sealed, written as OPTOUT_DIGEST_KEYS"
    )

    # How contact points are read
    default_region: Annotated[str, AfterValidator(_phone_region)] = Field(
        "FR", description="region of phone numbers in national form"
    )
    time_zone: Annotated[ZoneInfo, BeforeValidator(_zone)] = Field(
        ZoneInfo("Europe/Paris"), description="zone in which a date without a time ends"
    )
    allow_seconds: int = Field(
        300, ge=1, le=86_400, description="seconds for which an 'allow' may be acted on"
    )
    erasure_days: int = Field(
        30, ge=1, le=30, description="days after which an erasure no longer waits for databases"
    )

    # What a check looks at
    coverage: Literal["suppressions", "law"] = Field(
        "suppressions",
        description="what checks look at, unless set per brand: 'law' asks the rules in force too",
    )
    policy_pack: Path | None = Field(
        None, description="file of the operator's own rules, which may only tighten the law"
    )

    # What the processes listen to and are called
    public_url: Annotated[str | None, AfterValidator(_reached)] = Field(
        None, description="address under which people reach the registry; unset: the one served"
    )
    trusted_proxies: str = Field(
        "127.0.0.1", description="addresses whose X-Forwarded-* headers count, comma-separated"
    )
    metrics_address: Annotated[str, AfterValidator(_listened_to)] = Field(
        "127.0.0.1:9464", description="host:port of the metrics; empty: none"
    )

    # The people who object by themselves, and those who sign in
    link_days: int = Field(
        1_095, ge=1, le=3_650, description="days for which a preference link counts"
    )
    require_second_factor: bool = Field(
        default=True,
        description="whether officers and administrators must use an authenticator app",
    )

    # Limits
    max_body_bytes: int = Field(1_048_576, ge=1, description="bytes of a request body")
    max_batch_body_bytes: int = Field(16_777_216, ge=1, description="bytes of a batch's body")
    key_requests_per_second: int = Field(
        2_000, ge=1, description="requests a second of one key in one process, unless set per key"
    )
    key_checks_per_day: int = Field(
        5_000_000, ge=1, description="contact points checked a day by one key, unless set per key"
    )
    key_rows_per_day: int = Field(
        25_000_000, ge=1, description="rows scrubbed a day by one key, unless set per key"
    )
    key_snapshots_per_day: int = Field(
        200, ge=1, description="snapshots taken a day by one key, unless set per key"
    )
    write_pool_size: int = Field(
        6, ge=1, le=64, description="connections for requests that write, per process"
    )
    read_pool_size: int = Field(
        6, ge=1, le=64, description="connections for requests that only read, per process"
    )
    statement_timeout_seconds: int = Field(
        15, ge=1, le=_LONGEST_SECONDS, description="seconds for one SQL statement"
    )
    lock_timeout_seconds: int = Field(
        5, ge=1, le=_LONGEST_SECONDS, description="seconds to wait for a lock"
    )

    # Delivery
    internal_networks: Networks = Field(
        (), description="networks that databases of zone 'internal' may lie in, comma-separated"
    )
    public_ports: Ports = Field(
        (), description="ports allowed in zone 'public' beside 443 and 8443, comma-separated"
    )
    delivery_deadline_seconds: float = Field(
        15, gt=0, le=60, description="seconds for one whole request to a database"
    )
    delivery_lease_seconds: Annotated[float, AfterValidator(_outlasting)] = Field(
        45,
        gt=0,
        validate_default=True,
        description="seconds for which a worker holds a database; more than twice the deadline",
    )
    delivery_slots: int = Field(
        200, ge=1, le=1_000, description="requests under way at once in one worker"
    )
    delivery_per_host: int = Field(
        20, ge=1, le=1_000, description="requests under way at once to one host and port"
    )
    attempts_days: int = Field(30, ge=1, description="days for which delivery attempts are kept")

    # The doors for machines
    inbound_days: int = Field(
        90, ge=1, le=3_650, description="days for which what a provider's event said is kept"
    )
    inbound_silent_hours: int = Field(
        24, ge=1, description="hours of silence at least, after which a door that spoke is missed"
    )

    # What allows or limits a contact
    contact_attempts_days: int = Field(
        92,
        ge=31,
        le=1_095,
        description="days for which attempts to contact people are kept, about 150 bytes each",
    )

    # Files
    files_dir: Path | None = Field(
        None,
        description="directory shared by all processes in which files lie, sealed; "
        "unset: PostgreSQL",
    )
    file_bytes: int = Field(4_294_967_296, ge=1, description="bytes of a file")
    file_seconds: float = Field(3_600, gt=0, description="seconds for a whole file to arrive")
    files_days: int = Field(
        90,
        ge=2,
        le=3_650,
        description="days for which it is kept which rows a file refused, and what a scrub was of",
    )
    scrub_kept_seconds: int = Field(
        3_600, ge=0, le=86_400, description="seconds for which a scrub is kept after its download"
    )
    key_jobs: int = Field(20, ge=1, description="jobs of one key queued or running at once")
    job_lease_seconds: float = Field(
        15, gt=0, le=600, description="seconds after which a job of a process that died goes on"
    )

    # Operations
    operations_url: str | None = Field(
        None, description="address that alarms are sent to as signed webhooks; unset: to nobody"
    )
    operations_zone: Literal["public", "internal"] = Field(
        "public", description="zone of OPTOUT_OPERATIONS_URL, as of a database's url"
    )
    operations_secret: Annotated[SecretStr | None, AfterValidator(_signing)] = Field(
        None,
        validate_default=True,
        description="'whsec_' and 24 to 64 bytes in base64, by which alarms are signed",
    )

    # Mail to the people who object, and to those who sign in
    smtp_host: str | None = Field(
        None, description="server that mail is handed to; unset: none is sent, and pages say so"
    )
    smtp_port: int = Field(587, ge=1, le=65_535, description="its port")
    smtp_user: str | None = Field(None, description="name to sign in there with; unset: none")
    smtp_password: SecretStr | None = Field(None, description="password to sign in there with")
    smtp_sender: str | None = Field(
        None, pattern=r"^[^\s<>,;:\"@]+@[A-Za-z0-9.-]+$", description="address that mail comes from"
    )
    smtp_tls: Annotated[Literal["starttls", "implicit", "none"], AfterValidator(_mailing)] = Field(
        "starttls",
        validate_default=True,
        description="TLS to it: 'starttls' and 'implicit' insist on it and on its certificate",
    )
    smtp_deadline_seconds: float = Field(
        30, gt=0, le=300, description="seconds for one mail, from connecting to its receipt"
    )

    # Logs
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="'auto': console on a terminal, JSON lines elsewhere"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level that is written"
    )

    # The command line as a client of a running registry
    url: str = Field("http://127.0.0.1:8000", description="registry that client commands talk to")
    key: SecretStr | None = Field(None, description="key that client commands present")
    inbound_secret: SecretStr | None = Field(
        None, description="secret of the channel that `optout inbound mail` signs with"
    )

    @property
    def mails(self) -> bool:
        """Whether mail can be sent at all."""
        return self.smtp_host is not None

    @property
    def scrub_kept(self) -> timedelta:
        """How long a scrub is kept after its download."""
        return timedelta(seconds=self.scrub_kept_seconds)

    @property
    def erasure_delay(self) -> timedelta:
        """How long an erasure waits for databases that do not acknowledge."""
        return timedelta(days=self.erasure_days)


@lru_cache(maxsize=1)
def read_settings() -> Settings:
    """Read the environment, once per process."""
    return Settings()


@dataclass(frozen=True, slots=True)
class SettingShown:
    """A setting for people to read; a secret is told to be set, and no more."""

    variable: str
    value: str
    default: str
    meaning: str


def shown_settings(settings: Settings) -> list[SettingShown]:
    """Show every setting as it is in force, in the order in which they are defined."""
    return [
        SettingShown(
            f"OPTOUT_{name.upper()}",
            _shown(getattr(settings, name)),
            _shown(field.default),
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return "(set)"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.15g}"
    return "" if value is None else str(value)
