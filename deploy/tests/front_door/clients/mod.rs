//! Clients that others wrote, with their defaults: they connect, use the room, and are refused in words they know.
//!
//! ```text
//! foreign    where their programs are, and how a script says that it agrees
//! redis_cli  redis-cli, in one command, at a terminal and as a pipe; redis-benchmark      hints.py
//! curl       /traffic, /v1/zones, health, problems, keep-alive
//! libraries  redis-py, redis-py on asyncio, ioredis, node-redis      redis_py.py redis_asyncio.py ioredis.js node_redis.js
//! redis_rs   the same in Rust
//! pubsub     all of them publish and subscribe, and Redis beside us      pubsub.py pubsub.js
//! streams    all of them append to and read event streams, and Redis beside us      streams/
//! turns      several at once are let in by the rules      visitors.py in_order.py under_caps.py
//! passes     PyJWT and jose verify passes against the published keys      passes.py passes.mjs
//! recipes    what `deploy/recipes` shows, in Python, Node, Java and with curl
//! roles      who may do what, where somebody is asked for a password      roles.py roles.js
//! ```

mod curl;
mod foreign;
mod libraries;
mod passes;
mod pubsub;
mod recipes;
mod redis_cli;
mod redis_rs;
mod roles;
mod streams;
mod turns;
