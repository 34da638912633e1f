//! What a load run asks for, over and over.

use clap::ValueEnum;

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// RESP `PING`.
    Ping,
    /// RESP `GET` of one value, set before the run (`--value-bytes`).
    Get,
    /// RESP `Q.POLL` of random tokens.
    Poll,
    /// RESP `Q.JOIN`.
    Join,
    /// Redis `EVALSHA` of a poll in Lua, of random tokens.
    LuaPoll,
    /// Redis `EVALSHA` of a join in Lua, each with a token of its own.
    LuaJoin,
    /// The same, each followed by `WAIT 1 0`: answered when a replica has it, however long that takes.
    LuaJoinWait,
    /// RESP `Q.JOIN` of users that come back again and again: each is logged, and nobody joins twice.
    UserJoin,
    /// RESP `XADD key MAXLEN 50 * event …`, of so many keys in turn (`--zones`).
    StreamAdd,
    /// HTTP `GET /v1/zones/{zone}/tokens/{token}` of random tokens.
    HttpPoll,
    /// HTTP `POST /v1/zones/{zone}/tokens`.
    HttpJoin,
}

impl Operation {
    /// Whether replies are HTTP rather than RESP.
    pub fn is_http(self) -> bool {
        matches!(self, Self::HttpPoll | Self::HttpJoin)
    }

    /// Replies to one request. A join and its wait count as one, answered when the wait is.
    pub(crate) fn replies_each(self) -> u64 {
        if self == Self::LuaJoinWait { 2 } else { 1 }
    }

    /// Whether requests carry tokens that somebody obtained before.
    pub fn needs_tokens(self) -> bool {
        matches!(self, Self::Poll | Self::LuaPoll | Self::HttpPoll)
    }
}
