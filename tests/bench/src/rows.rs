//! The rows of the table: the same exchange with the gateway and with its yardstick.

use std::io;

use crate::{
    measure::Measured,
    process::Server,
    protocol::Protocol,
    run_local,
    subject::{GATEWAY_FLAGS, Load, Programs, Subject},
};

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// `POST /prospect/connectsocket`.
    Post,
    PostJournaled,
    /// A message of a prospect, until it is accepted.
    Accepted,
    AcceptedJournaled,
    /// Sockets opened, and what an idle one takes.
    Opened,
    /// A message of the operator, from its schedule to the prospect's frame.
    Pushed,
}

pub const ROWS: [Row; 6] = [
    Row::Post,
    Row::PostJournaled,
    Row::Accepted,
    Row::AcceptedJournaled,
    Row::Opened,
    Row::Pushed,
];

impl Row {
    pub fn name(self) -> &'static str {
        match self {
            Self::Post => "documented POST",
            Self::PostJournaled => "documented POST, journal",
            Self::Accepted => "message to `accepted`",
            Self::AcceptedJournaled => "message to `accepted`, journal",
            Self::Opened => "socket opened",
            Self::Pushed => "operator's POST to frame",
        }
    }

    pub fn yardstick(self) -> &'static str {
        match self {
            Self::Post | Self::PostJournaled => "actix",
            _ => "tokio",
        }
    }

    fn has_journal(self) -> bool {
        matches!(self, Self::PostJournaled | Self::AcceptedJournaled)
    }

    /// The flags of its gateway.
    pub fn gateway_flags(self) -> Vec<String> {
        let journal: &[&str] = if self.has_journal() { &["--data-dir", "%/journal"] } else { &[] };
        GATEWAY_FLAGS.iter().chain(journal).map(ToString::to_string).collect()
    }

    /// Measures the gateway, or else the yardstick.
    pub fn measure(
        self,
        programs: &Programs,
        load: Load,
        of_gateway: bool,
    ) -> io::Result<Measured> {
        let server = if of_gateway {
            Server::start(&programs.gateway, &self.gateway_flags(), programs.cores)?
        } else {
            let arguments = ["yardstick".to_owned(), self.yardstick().to_owned()];
            Server::start(&programs.bench, &arguments, programs.cores)?
        };
        let protocol = if of_gateway { Protocol::Gateway } else { Protocol::Bare };
        run_local(self.exchanges(Subject::new(&server, protocol, load)))
    }

    /// Does the exchanges of the row with a server.
    pub async fn exchanges(self, subject: Subject<'_>) -> io::Result<Measured> {
        match self {
            Self::Post | Self::PostJournaled => subject.posts().await,
            Self::Accepted | Self::AcceptedJournaled => subject.messages().await,
            Self::Opened => subject.opened().await,
            Self::Pushed => subject.pushed().await,
        }
    }
}
