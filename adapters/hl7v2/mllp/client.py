"""An MLLP sender: one message under way per connection, each answer matched by MSA-2 (HL7 v2.9 section 2.9)."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from adapters.hl7v2.mllp.ack import Outcome, acknowledge, acknowledged, answer_code
from adapters.hl7v2.mllp.errors import HeaderUnusable, NoAnswer
from adapters.hl7v2.mllp.framer import COMMITTED, NOT_COMMITTED, Frame, Framer, frame
from adapters.hl7v2.mllp.peek import Peek, peek, trim

__all__ = ["Answer", "Outgoing", "Sender", "Tls", "send_all"]

_QUIET = 2.0  # seconds in which a receiver that answers failures only would have done so

_FAREWELL = 2.0  # seconds that what is still to be written has when a connection is closed


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to send: where it comes from (for the report) and its bytes."""

    source: str
    index: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: MSA-1 (None: nothing was asked for, or nothing came), the time it took, what went wrong."""

    source: str
    index: int
    control_id: str
    code: str | None
    ms: float
    error: str | None = None

    @property
    def accepted(self) -> bool:
        """True for AA and CA, and where the sender asked for no answer."""
        return self.error is None and self.code in ("AA", "CA", None)


@dataclass(frozen=True, slots=True)
class Tls:
    """How a sender makes sure of the receiver. `name`: what its certificate must say ('' = the host connected to)."""

    context: ssl.SSLContext
    name: str = ""


class Sender:
    """One connection to a receiver."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, release: int = 1) -> None:
        self._release = release
        self._reader = reader
        self._writer = writer
        self._framer = Framer()
        self._frames: list[bytes] = []
        self._due: set[bytes] = set()  # control ids whose application acknowledgement is still to come
        self.applications: dict[bytes, bytes] = {}  # those that came, by the control id of the message

    @classmethod
    async def connect(cls, host: str, port: int, timeout: float, tls: Tls | None = None, release: int = 1) -> Sender:
        """Open a connection. Raises OSError (ssl.SSLError is one) or TimeoutError."""
        context, name = (None, None) if tls is None else (tls.context, tls.name or host)
        opening = asyncio.open_connection(host, port, ssl=context, server_hostname=name)
        reader, writer = await asyncio.wait_for(opening, timeout)
        return cls(reader, writer, release)

    async def send(self, body: bytes, timeout: float) -> bytes | None:
        """Send one message; give the acknowledgement's bytes, or None where MSH-15 says that none will come.

        Raises NoAnswer on silence, a receiver that doesn't read, a closed connection or an answer to another message.
        """
        self._writer.write(frame(body))
        try:
            await asyncio.wait_for(self._writer.drain(), timeout)
        except TimeoutError as error:
            raise NoAnswer(f"the receiver did not read the message within {timeout:g} s") from error
        header = _header(body)
        if header is not None and header.field(16).strip().upper() not in (b"", b"NE"):
            self._due.add(header.control_id)
        wanted = header.field(15).strip().upper() if header is not None else b""
        if self._release == 2:
            await self._committed(timeout, wanted != b"NE")
        if wanted == b"NE":
            return None
        try:
            answer = await asyncio.wait_for(self._answer(header), min(timeout, _QUIET) if wanted == b"ER" else timeout)
        except TimeoutError as error:
            if wanted == b"ER":  # an answer comes on failure only, so silence is the good news
                return None
            raise NoAnswer(f"no acknowledgement within {timeout:g} s") from error
        if header is not None and acknowledged(answer)[1] != header.control_id:
            raise NoAnswer("the acknowledgement is for another message: its MSA-2 differs from our MSH-10")
        return answer

    async def _committed(self, timeout: float, answered: bool) -> None:
        """Release 2: the block's own acknowledgement. Raises NoAnswer on NAK, unless an answer says what was wrong."""
        try:
            block = await asyncio.wait_for(self._next(), timeout)
        except TimeoutError as error:
            raise NoAnswer(f"no commit acknowledgement within {timeout:g} s") from error
        if block not in (COMMITTED, NOT_COMMITTED):
            raise NoAnswer("the receiver gave no commit acknowledgement: it does not speak MLLP release 2")
        if block == NOT_COMMITTED and not answered:
            raise NoAnswer("the receiver did not commit the message (NAK)")

    def expects(self, control_id: bytes) -> None:
        """An application acknowledgement of a message that went over another connection may come over this one."""
        self._due.add(control_id)

    async def application(self, control_id: bytes, timeout: float) -> bytes:
        """The application acknowledgement of an earlier message. Raises TimeoutError or NoAnswer."""

        async def come() -> bytes:
            while control_id not in self.applications:
                await self._application(await self._frame())
            return self.applications[control_id]

        return await asyncio.wait_for(come(), timeout)

    async def _answer(self, header: Peek | None) -> bytes:
        """The next answer to this message; application acknowledgements of earlier ones may come before it."""
        while True:
            answer = await self._frame()
            about = acknowledged(answer)[1]
            if header is None or about == header.control_id or about not in self._due:
                return answer
            await self._application(answer)

    async def _application(self, answer: bytes) -> None:
        """Note an application acknowledgement and accept it where its MSH-15 asks for that (section 2.9.3.2)."""
        about = acknowledged(answer)[1]
        if about not in self._due:
            raise NoAnswer("an acknowledgement came for no message of ours")
        header = peek(trim(answer))
        self.applications[about] = answer
        accept = answer_code(header, Outcome.KEPT) if header.field(15).strip() else None
        if accept is not None:
            time_ = header.field(7).decode("ascii", "replace")
            self._writer.write(frame(acknowledge(header, accept, f"R{about.decode('utf-8', 'replace')}"[:20], time_)))
            await self._writer.drain()

    async def _frame(self) -> bytes:
        """The next message; in release 2 its block is acknowledged."""
        data = await self._next()
        if self._release == 2:
            self._writer.write(frame(COMMITTED))
        return data

    async def _next(self) -> bytes:
        while not self._frames:
            data = await self._reader.read(65536)
            if not data:
                raise NoAnswer("the receiver closed the connection without an acknowledgement")
            self._frames += [event.data for event in self._framer.receive(data) if isinstance(event, Frame)]
        return self._frames.pop(0)

    async def close(self) -> None:
        """Close the connection; one whose other end does not even let us say so is cut."""
        self._writer.close()
        try:
            await asyncio.wait_for(self._writer.wait_closed(), _FAREWELL)
        except TimeoutError:
            self._writer.transport.abort()
        except OSError:
            return  # already gone


def _header(body: bytes) -> Peek | None:
    try:
        return peek(trim(body))
    except HeaderUnusable:
        return None


async def send_all(
    host: str,
    port: int,
    messages: Iterable[Outgoing],
    connections: int = 1,
    timeout: float = 30.0,
    tls: Tls | None = None,
    release: int = 1,
) -> AsyncIterator[Answer]:
    """Send messages over several connections at once; give an `Answer` each, as they come.

    Messages are dealt out in order, each connection with one under way; with one connection the order is kept. After
    a `NoAnswer` that connection is opened anew. Raises OSError or TimeoutError if no connection can be made at all.
    """
    senders = [await Sender.connect(host, port, timeout, tls, release) for _ in range(connections)]
    source = iter(messages)
    answers: asyncio.Queue[Answer | Exception | None] = asyncio.Queue(maxsize=1024)

    async def work(sender: Sender) -> None:
        try:
            for message in source:
                answer = await _one(sender, message, timeout)
                await answers.put(answer)
                if answer.error is not None:
                    await sender.close()
                    sender = await Sender.connect(host, port, timeout, tls, release)
        except OSError as error:  # includes TimeoutError
            await answers.put(error)
        finally:
            await sender.close()
            await answers.put(None)

    tasks = [asyncio.create_task(work(sender)) for sender in senders]
    open_ = len(tasks)
    lost: Exception | None = None
    try:
        while open_:
            item = await answers.get()
            if item is None:
                open_ -= 1
            elif isinstance(item, Exception):
                lost = item
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if lost is not None:
        raise lost


async def _one(sender: Sender, message: Outgoing, timeout: float) -> Answer:
    header = _header(message.body)
    control = header.control_id.decode("utf-8", "replace") if header else ""
    begun = time.perf_counter()
    code: str | None = None
    problem: str | None = None
    try:
        answer = await sender.send(message.body, timeout)
        if answer is not None:
            code = acknowledged(answer)[0]
    except (NoAnswer, ConnectionError) as error:
        problem = str(error) or type(error).__name__
    return Answer(message.source, message.index, control, code, round((time.perf_counter() - begun) * 1000, 3), problem)
