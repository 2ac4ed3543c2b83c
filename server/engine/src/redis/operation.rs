//! The operations that Lua performs, and one with its arguments.

use redis::{Arg, Cmd, ToRedisArgs};

use crate::Millis;

/// The functions that Redis calls. An operation belongs to one of them, by what it must be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Adds data: Redis refuses it when memory is short.
    Write,
    /// Works also when memory is short, because it makes room.
    MakeRoom,
    /// Only reads: it works also where Redis takes no writes.
    Read,
}

impl Function {
    /// The end of its name in Redis.
    pub fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::MakeRoom => "make_room",
            Self::Read => "read",
        }
    }
}

use Function::{MakeRoom, Read, Write};

/// An operation. `protocol.rs` has the outcomes.
#[derive(Clone, Copy)]
pub struct Operation {
    name: &'static str,
    pub function: Function,
    /// Whether it does little, so that several may share a call.
    pub is_small: bool,
}

const fn small(name: &'static str, function: Function) -> Operation {
    Operation { name, function, is_small: true }
}

const fn large(name: &'static str, function: Function) -> Operation {
    Operation { name, function, is_small: false }
}

pub const ACCEPT: Operation = small("accept", Write);
pub const AUTHORISE: Operation = small("authorise", Write);
pub const CHECK_AUTHORISATION: Operation = small("check_authorisation", Write);
pub const POINT: Operation = small("point", Write);
pub const READY: Operation = small("ready", Write);
pub const REDEEM: Operation = small("redeem", Write);
pub const REQUEST_TOKEN: Operation = large("request_token", Write);
pub const SEND: Operation = small("send", Write);
pub const SETTLE: Operation = small("settle", Write);

pub const ACKNOWLEDGE: Operation = small("acknowledge", MakeRoom);
pub const ACKNOWLEDGEMENT: Operation = small("acknowledgement", MakeRoom);
pub const CLOSE: Operation = small("close", MakeRoom);
pub const CLOSE_ALL: Operation = large("close", MakeRoom);
pub const DISCONNECT: Operation = large("disconnect", MakeRoom);
pub const ERASE_EVENTS: Operation = large("erase_events", MakeRoom);
pub const ERASE_HALF_REFS: Operation = large("erase_half_refs", MakeRoom);
pub const ERASE_RECORD: Operation = large("erase_record", MakeRoom);
pub const EVENTS: Operation = large("events", MakeRoom);
pub const EXPIRE: Operation = large("expire", MakeRoom);
pub const LEAVE: Operation = large("leave", MakeRoom);
pub const RELEASE: Operation = large("release", MakeRoom);
pub const REVOKE_TOKEN: Operation = large("revoke_token", MakeRoom);
pub const REVOKE_UNCONFIRMED: Operation = large("revoke_unconfirmed", MakeRoom);

pub const CHECK_SOCKETS: Operation = large("check_sockets", Read);
pub const CHECK_TOKEN: Operation = small("check_token", Read);
pub const CONNECTED: Operation = large("connected", Read);
pub const DEVICE: Operation = small("device", Read);
pub const KNOWS_HALF_REF: Operation = small("knows_half_ref", Read);
pub const LIST_SOCKETS: Operation = large("list_sockets", Read);
pub const OUTBOX: Operation = small("outbox", Read);
pub const POINTED: Operation = small("pointed", Read);
pub const STATS: Operation = large("stats", Read);

/// An operation with its arguments.
#[derive(Clone)]
pub struct Request {
    pub operation: Operation,
    arguments: Cmd,
}

impl Operation {
    /// The operation, to which its arguments are to be added.
    pub fn request(self) -> Request {
        Request { operation: self, arguments: Cmd::new() }
    }
}

impl Request {
    /// Adds an argument.
    pub fn arg(&mut self, argument: impl ToRedisArgs) -> &mut Self {
        self.arguments.arg(argument);
        self
    }

    /// The bytes of the arguments.
    pub fn size(&self) -> usize {
        let size = |argument: Arg<&[u8]>| match argument {
            Arg::Simple(bytes) => bytes.len(),
            _ => 0,
        };
        self.arguments.args_iter().map(size).sum()
    }

    /// Adds the operation to a call, in which Redis refuses it after `deadline`.
    pub fn add_to(&self, call: &mut Cmd, deadline: Millis) {
        let arguments = self.arguments.args_iter();
        call.arg(self.operation.name).arg(deadline).arg(arguments.len());
        for argument in arguments {
            if let Arg::Simple(bytes) = argument {
                call.arg(bytes);
            }
        }
    }
}
