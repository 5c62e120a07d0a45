"""Messages of Amazon SNS, judged by Amazon's own validator beside ours."""

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from app.intake.dialects import DIALECTS, NotGenuine, Request
from app.platform.clock import now
from tests.peers import Authority, peer
from tests.signers import CERTIFICATE, CONFIRM, TOPIC, Signed, Sns

SES = DIALECTS["ses"]
OPTIONS = {"topic_arn": TOPIC}
PROVIDERS = Path(__file__).parents[1] / "providers"
INSTALLED = Path(__file__).parents[2] / "build" / "providers"
LOCK = "package-lock.json"
HOST = "sns.eu-west-3.amazonaws.com"
AT = now()
SIGNER, STRANGER = Sns(AT), Sns(AT)
WORDS = {"eventType": "Complaint", "said": "C'est fini \u2013 \U0001f6d1\nSubject\nSTOP"}
WANTED = {"Type": "SubscriptionConfirmation", "Token": "t", "Subject": None}


def sign(signer: Sns, **more: str | None) -> Signed:
    """Sign a message as SNS does."""
    return signer.sign(WORDS, AT, more)


def changed(signed: Signed, **to: str) -> Signed:
    """Change a message that was signed."""
    return signed._replace(body=json.dumps({**json.loads(signed.body), **to}).encode())


def judged() -> list[tuple[Signed, bool]]:
    """Write messages, and whether each is SNS's own."""
    found: list[tuple[Signed, bool]] = []
    for version, other in (("1", "2"), ("2", "1")):
        plain = sign(SIGNER, SignatureVersion=version)
        confirm = sign(SIGNER, SignatureVersion=version, SubscribeURL=CONFIRM, **WANTED)
        found += [
            (plain, True),
            (sign(SIGNER, SignatureVersion=version, Subject=None), True),
            (confirm, True),
            (changed(plain, Message="{}"), False),
            (changed(plain, Subject="Another"), False),
            (changed(plain, TopicArn=f"{TOPIC}s"), False),
            (changed(plain, Timestamp="2026-01-01T00:00:00.000Z"), False),
            (changed(plain, Signature="QUJD"), False),
            (changed(plain, SignatureVersion=other), False),
            (changed(plain, SignatureVersion="3"), False),
            (changed(plain, SigningCertURL=CERTIFICATE.replace("sns.", "sms.")), False),
            (changed(plain, SigningCertURL=CERTIFICATE.replace("https", "http")), False),
            (changed(confirm, SubscribeURL=f"{CONFIRM}&a=b"), False),
            (changed(confirm, Token="u"), False),  # noqa: S106 - a word of SNS
            (sign(STRANGER, SignatureVersion=version), False),
        ]
    return found


def ours(signed: Signed) -> bool:
    """Judge a message as the door does."""
    asked = Request("", signed.headers, signed.body)
    try:
        fetched = dict.fromkeys(SES.needs(asked, OPTIONS), SIGNER.certificate)
        SES.verify(Request("", signed.headers, signed.body, fetched), "", OPTIONS, AT)
    except NotGenuine:
        return False
    return True


async def run(*words: str, said: bytes = b"", folder: Path, **given: str) -> bytes:
    """Run a program to its end: what it prints."""
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=folder,
        env={**os.environ, **given},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, wrong = await process.communicate(said)
    assert process.returncode == 0, wrong.decode()
    return printed


async def certificates(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve the certificate as SNS does, once."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + SIGNER.certificate)
    await writer.drain()


async def validator() -> Path:
    """Install what the lock file names, unless it is there: the folder of modules."""
    lock = INSTALLED / LOCK
    modules = INSTALLED / "node_modules"
    if shutil.which("npm") is None:
        assert os.environ.get("CI") != "true", ".ci/run was to bring npm"
        pytest.skip("npm is not installed")
    wanted = (PROVIDERS / LOCK).read_bytes()
    if not modules.is_dir() or not lock.is_file() or lock.read_bytes() != wanted:
        INSTALLED.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", LOCK):
            shutil.copy(PROVIDERS / name, INSTALLED)
        await run("npm", "ci", "--ignore-scripts", folder=INSTALLED)
    return modules


async def test_our_answer_is_that_of_amazons_own_validator(tmp_path: Path) -> None:
    modules, authority = await validator(), Authority(tmp_path)
    async with peer(certificates, tls=authority.server(HOST)) as sns:
        messages = judged()
        printed = await run(
            "node",
            str(PROVIDERS / "sns.js"),
            str(sns.port),
            said=b"\n".join(signed.body for signed, _ in messages),
            folder=PROVIDERS,
            NODE_PATH=str(modules),
            NODE_EXTRA_CA_CERTS=str(authority.written()),
        )
    genuine = [expected for _, expected in messages]
    assert json.loads(printed) == genuine
    assert [ours(signed) for signed, _ in messages] == genuine
    assert set(sns.server_names) == {HOST}


def test_the_lock_file_names_no_place_to_install_from() -> None:
    packages = json.loads((PROVIDERS / LOCK).read_bytes())["packages"]
    assert {"resolved", "link"} & {key for one in packages.values() for key in one} == set()
    assert all("integrity" in one for name, one in packages.items() if name)
