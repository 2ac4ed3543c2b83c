//! Connects to one server, a Redis or a sentinel.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, aio::MultiplexedConnection,
    io::tcp::TcpSettings,
};

use super::{connect_error::ConnectError, tls::TlsFiles};

/// How to connect to servers.
#[derive(Clone)]
pub struct Dialer {
    /// How long connecting, and each answer, may take.
    pub timeout: Duration,
    /// The files for servers with TLS.
    pub tls: TlsFiles,
}

impl Dialer {
    /// Connects to a server.
    pub async fn connect(
        &self,
        server: ConnectionInfo,
        config: AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, ConnectError> {
        let server = without_delay(server);
        let config = config
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout));
        if matches!(server.addr(), ConnectionAddr::TcpTls { .. }) {
            let client = Client::build_with_tls(server, self.tls.read()?)?;
            let connection = client.get_multiplexed_async_connection_with_config(&config).await;
            connection.map_err(ConnectError::Tls)
        } else {
            let client = Client::open(server)?;
            Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
        }
    }
}

/// The server, reached over TCP without Nagle's algorithm: with a call under way, it would hold back the
/// end of the next one until the server acknowledges the first.
fn without_delay(server: ConnectionInfo) -> ConnectionInfo {
    server.set_tcp_settings(TcpSettings::default().set_nodelay(true))
}

#[cfg(test)]
mod tests {
    use redis::IntoConnectionInfo;

    use super::*;

    #[test]
    fn what_is_sent_to_redis_is_not_held_back() {
        let server = "redis://127.0.0.1/".into_connection_info().unwrap();
        assert!(without_delay(server).tcp_settings().nodelay());
    }
}
