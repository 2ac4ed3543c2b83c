//! Sentinels, which know where the primary of a service is and promote a replica when it fails.

use std::{collections::HashMap, fmt};

use async_trait::async_trait;
use redis::{AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, cmd};
use tokio::task::JoinSet;

use super::{
    connect_error::{ConnectError, SentinelError, SentinelFailure},
    dialer::Dialer,
    locator::Locator,
};

/// The sentinels of a service.
pub struct Sentinels {
    /// Where they are, with their own user and password.
    pub asked: Vec<ConnectionInfo>,
    /// The name of the service, which they know as the name of a master.
    pub service: String,
    /// The primary but for its address: user, password, database, and whether it speaks TLS.
    pub primary: ConnectionInfo,
}

/// What one sentinel knows.
struct Answer {
    host: String,
    port: u16,
    /// Grows with each failover.
    epoch: u64,
}

#[async_trait]
impl Locator for Sentinels {
    /// Asks all, and believes the newest of the first answers: a sentinel that was cut off may name
    /// the primary before the last failover.
    async fn locate(&self, dialer: &Dialer) -> Result<ConnectionInfo, ConnectError> {
        let mut asking = JoinSet::new();
        for (index, sentinel) in self.asked.iter().enumerate() {
            let (sentinel, service) = (sentinel.clone(), self.service.clone());
            let dialer = dialer.clone();
            asking.spawn(async move { (index, ask(sentinel, service, &dialer).await) });
        }
        let majority = self.asked.len() / 2 + 1;
        let (mut answers, mut failures) = (Vec::new(), Vec::new());
        while let Some(Ok((index, answer))) = asking.join_next().await {
            match answer {
                Ok(answer) => answers.push(answer),
                Err(failure) => failures.push((index, failure)),
            }
            if answers.len() == majority {
                break;
            }
        }
        let Some(newest) = answers.into_iter().max_by_key(|answer| answer.epoch) else {
            failures.sort_by_key(|(index, _)| *index);
            let failures = failures
                .into_iter()
                .map(|(index, failure)| (self.asked[index].addr().to_string(), failure));
            return Err(SentinelError::NoAnswer(failures.collect()).into());
        };
        Ok(self.primary.clone().set_addr(self.address(newest)))
    }
}

impl Sentinels {
    fn address(&self, Answer { host, port, .. }: Answer) -> ConnectionAddr {
        match self.primary.addr() {
            ConnectionAddr::TcpTls { .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
            }
            _ => ConnectionAddr::Tcp(host, port),
        }
    }
}

/// Asks one sentinel.
async fn ask(
    sentinel: ConnectionInfo,
    service: String,
    dialer: &Dialer,
) -> Result<Answer, SentinelFailure> {
    let mut redis = dialer.connect(sentinel, AsyncConnectionConfig::new()).await?;
    let mut address = cmd("SENTINEL");
    address.arg("GET-MASTER-ADDR-BY-NAME").arg(&service);
    let address: Option<(String, u16)> = address.query_async(&mut redis).await?;
    let Some((host, port)) = address else {
        return Err(SentinelFailure::UnknownService(service));
    };
    let mut state = cmd("SENTINEL");
    state.arg("MASTER").arg(&service);
    let state: HashMap<String, String> = state.query_async(&mut redis).await?;
    let epoch = state.get("config-epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
    Ok(Answer { host, port, epoch })
}

impl fmt::Display for Sentinels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, sentinel) in self.asked.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(formatter, "{separator}{}", sentinel.addr())?;
        }
        write!(formatter, "/{}", self.service)
    }
}
