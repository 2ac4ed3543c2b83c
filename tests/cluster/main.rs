//! Many gateways on one Redis: what they share, and what happens when one of them, the network or
//! Redis fails.

mod check;
mod cluster;
mod connecting;
mod cost;
mod encrypted;
mod erasing;
mod faults;
mod gateways;
mod keys;
mod late;
mod leases;
mod lossy_network;
mod older;
mod outbox;
mod partitions;
mod readers;
mod redis_clock;
mod rolling;
mod sentinels;
mod shared_calls;
mod sharing;
