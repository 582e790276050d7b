"""asyncpg as its documentation says for PgBouncer: statement cache off, one pool of kept connections.

Usage: asyncpg_peer.py DIRECTORY PORT SQL CALLERS SECONDS OUTPUT
Writes the latency of each call in microseconds, or its error, one a line.
"""

import asyncio
import random
import sys
import time

import asyncpg


async def main(directory, port, sql, callers, seconds, output):
    pool = await asyncpg.create_pool(host=directory, port=port, user="postgres", database="postgres",
                                     min_size=min(callers, 40), max_size=min(callers, 40), statement_cache_size=0)
    results = []

    async def call_until(end):
        while time.monotonic() < end:
            begin = time.monotonic()
            try:
                arguments = [random.randint(1, 100000)] if "$1" in sql else []
                await pool.fetch(sql, *arguments)
                results.append(str(int((time.monotonic() - begin) * 1e6)))
            except Exception as error:  # every failure counts, whatever it is
                results.append(f"{type(error).__name__}: {error}".replace("\n", " "))

    end = time.monotonic() + seconds
    await asyncio.gather(*(call_until(end) for _ in range(callers)))
    with open(output, "w") as out:
        out.write("\n".join(results) + "\n")


asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), sys.argv[6]))
