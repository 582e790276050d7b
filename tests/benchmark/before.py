"""What a burst does to asyncpg on a transaction pooler: the "before" of the README.

Run by before_after, which starts the servers. Prints one line for each way to connect.
"""

import asyncio
import collections
import sys

import asyncpg

HOST, PORT = sys.argv[1], int(sys.argv[2])
CONNECT = dict(host=HOST, port=PORT, user="postgres", database="postgres", timeout=30)
CALLS = 1000


def report(what, outcomes):
    failures = collections.Counter(str(o).split("\n")[0][:60] for o in outcomes if o is not None)
    lost = sum(failures.values())
    print(f"| {what:<55} | {lost:>4} of {len(outcomes):>5} | {', '.join(sorted(failures, key=failures.get, reverse=True)[:2]) or '-'} |", flush=True)


async def attempt(work):
    try:
        await work
        return None
    except Exception as error:  # pylint: disable=broad-except
        return f"{error}" or type(error).__name__


async def connect_and_query(**options):
    connection = await asyncpg.connect(**CONNECT, **options)
    try:
        await connection.fetchval("SELECT $1::int + 1", 1)
    finally:
        await connection.close()


async def pool_queries(pool):
    async with pool.acquire() as connection:
        await connection.fetchval("SELECT pg_sleep(0.002), $1::int", 1)


async def main():
    report("1,000 connections at once, statement cache off",
           await asyncio.gather(*[attempt(connect_and_query(statement_cache_size=0)) for _ in range(CALLS)]))
    report("1,000 connections, server_settings={'jit': 'off'}",
           await asyncio.gather(*[attempt(connect_and_query(statement_cache_size=0, server_settings={"jit": "off"}))
                                  for _ in range(CALLS)]))
    pool = await asyncpg.create_pool(**CONNECT, min_size=40, max_size=40)
    report("1,000 queries on a pool of 40, statement cache on",
           await asyncio.gather(*[attempt(pool_queries(pool)) for _ in range(CALLS)]))
    pool.terminate()


asyncio.run(main())
