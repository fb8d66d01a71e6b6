"""Ten times as much as a server can do, and a thousand clients that vanish: how quick a no is, who is still served, what memory it costs.

    python bench/overload.py --seconds 60

Owners ask for pictures ten times as often as an idle server makes them. Printed: refusals' and admitted pictures' times beside the
idle server's, the server's memory before and after, and how long after a thousand clients went away in the middle of their wish
nothing of theirs is being made any more. The clients share the machine with the server. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
from live import drawing
from page import Studio

from gesso.serving.settings import Limits

TIMES = 10
GONE = 1000
AIMS = {"no": "p99 < 100 ms", "memory": "+5 % at most", "gone": "2 s at most"}


def memory(process: int) -> float:
    """Megabytes resident."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def late(seconds: list[float], share: float) -> str:
    return f"{1000 * float(np.percentile(seconds, share)):.0f} ms" if seconds else "none"


def wish(studio: Studio, owner: str) -> dict[str, object]:
    page = studio.call(owner, "/api/uploads", drawing(256, random.Random(owner)))["id"]
    return {"recipe": "colorize", "conditions": {"sketch": {"upload": page}}}


async def one(client: httpx.AsyncClient, studio: Studio, owner: str, body: dict[str, object]) -> tuple[int, float, bool]:
    began = time.perf_counter()
    answer = await client.post(
        "/api/generate", json=body, headers={"Authorization": f"Bearer {studio.tokens[owner]}", "Accept": "image/png"}
    )
    return answer.status_code, time.perf_counter() - began, "retry-after" in answer.headers


async def flood(client: httpx.AsyncClient, studio: Studio, bodies: dict[str, dict[str, object]], rate: float, seconds: float) -> None:
    """So many wishes a second, whatever becomes of them."""
    told: list[tuple[int, float, bool]] = []
    owners, going, began = list(bodies), set[asyncio.Task[None]](), time.monotonic()

    async def ask(owner: str) -> None:
        told.append(await one(client, studio, owner, bodies[owner]))

    for number in range(round(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        going.add(task := asyncio.create_task(ask(owners[number % len(owners)])))
        task.add_done_callback(going.discard)
    await asyncio.gather(*going)
    refused = [taken for status, taken, _ in told if status in (429, 503)]
    made = [taken for status, taken, _ in told if status == 200]
    others = sorted({status for status, _, _ in told} - {200, 429, 503})
    print(f"{rate:.0f} wishes a second for {seconds:.0f} s: {len(made)} pictures, p50 {late(made, 50)}, p99 {late(made, 99)}")
    print(f"  {len(refused)} refusals: p50 {late(refused, 50)}, p99 {late(refused, 99)} (the aim: {AIMS['no']})")
    print(
        f"  other answers: {others or 'none'}; refusals without Retry-After: {sum(s in (429, 503) and not again for s, _, again in told)}"
    )


async def vanish(client: httpx.AsyncClient, studio: Studio, bodies: dict[str, dict[str, object]]) -> None:
    """Each sends its wish and goes; then the server is asked whether anything is still being made."""
    place = urlsplit(studio.address)
    owners = list(bodies)

    async def go(number: int) -> None:
        owner = owners[number % len(owners)]
        body = httpx.Request("POST", studio.address, json=bodies[owner]).content
        head = f"POST /api/generate HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {studio.tokens[owner]}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        _, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(head.encode() + body)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()

    for start in range(0, GONE, 100):
        await asyncio.gather(*(go(number) for number in range(start, start + 100)))
    began = time.perf_counter()
    headers = {"Authorization": f"Bearer {studio.tokens[owners[0]]}"}
    while True:
        text = (await client.get("/api/metrics", headers=headers)).text
        if "gesso_renders_waiting 0\n" in text and "gesso_renders_running 0\n" in text:
            break
        await asyncio.sleep(0.02)
    print(f"{GONE} who vanished: nothing of theirs is made {time.perf_counter() - began:.2f} s after the last (the aim: {AIMS['gone']})")


async def run(studio: Studio, seconds: float) -> None:
    bodies = {owner: wish(studio, owner) for owner in studio.tokens}
    limits = httpx.Limits(max_connections=2000, max_keepalive_connections=2000)
    async with httpx.AsyncClient(base_url=studio.address, timeout=120, limits=limits) as client:
        owner = next(iter(bodies))
        idle = [(await one(client, studio, owner, bodies[owner]))[1] for _ in range(20)][5:]
        rate = TIMES / float(np.median(idle))
        print(f"idle: p50 {late(idle, 50)}, p99 {late(idle, 99)} a picture; {TIMES} times that:")
        await flood(client, studio, bodies, rate, min(seconds, 10))  # all that is loaded once is loaded
        before = memory(studio.process.pid)
        print("again:")
        await flood(client, studio, bodies, rate, seconds)
        after = memory(studio.process.pid)
        print(f"  memory: {before:.0f} MB before, {after:.0f} MB after, {100 * (after / before - 1):+.1f} % (the aim: {AIMS['memory']})")
        await vanish(client, studio, bodies)
        print(f"  memory: {memory(studio.process.pid):.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--port", type=int, default=8890)
    asked = parser.parse_args()
    studio = Studio(asked.port, Limits().waiting // Limits().waiting_each + 8)
    try:
        asyncio.run(run(studio, asked.seconds))
    finally:
        studio.close()


if __name__ == "__main__":
    print(f"overload.py, {os.cpu_count()} processors")
    main()
