//! The engine's operations in the short form that tests use: names in place of digests, and no
//! error where a test has nothing to do with an engine that is unavailable.

use std::time::Duration;

use engine::{
    Acknowledgement, Authorisation, AuthoriseError, DeviceState, Events, Idempotency, Message,
    Opened, Outgoing, RedeemError, RequestTokenError, Requester, SendError, Sent, SocketError,
    TokenError,
};

use super::{MESSAGE, TestEngine, connection, secret};

const AVAILABLE: &str = "the engine is available";

impl TestEngine {
    /// Requests a token, perhaps with something that the device says of itself.
    pub async fn request_token(
        &self,
        device: &str,
        requester: Requester<'_>,
        device_data: Option<&str>,
        token: &str,
    ) -> Result<(), RequestTokenError> {
        self.knows_token(token, device);
        self.inner.request_token(device, requester, device_data, &secret(token)).await
    }

    /// Requests a token through the test channel.
    pub async fn request_test_token(
        &self,
        device: &str,
        token: &str,
    ) -> Result<(), RequestTokenError> {
        self.request_token(device, Requester::Test, None, token).await
    }

    /// Requests a token through a channel that claims, with the token that the device shows and an
    /// idempotency key.
    pub async fn claim_with(
        &self,
        device: &str,
        shown: Option<&str>,
        key: Option<&str>,
        token: &str,
    ) -> Result<(), RequestTokenError> {
        let (shown, key) = (shown.map(secret), key.map(secret));
        let requester = Requester::Claim { shown: shown.as_ref(), key: key.as_ref() };
        self.request_token(device, requester, None, token).await
    }

    /// Requests a token through a channel that claims, without a token.
    pub async fn claim(&self, device: &str, token: &str) -> Result<(), RequestTokenError> {
        self.claim_with(device, None, None, token).await
    }

    /// Requests a token through a channel that claims, with the token `shown`.
    pub async fn renew(
        &self,
        device: &str,
        shown: &str,
        token: &str,
    ) -> Result<(), RequestTokenError> {
        self.claim_with(device, Some(shown), None, token).await
    }

    /// Issues a token as the operator.
    pub async fn issue(&self, device: &str, token: &str) -> Result<(), RequestTokenError> {
        self.request_token(device, Requester::Operator, None, token).await
    }

    pub async fn check_token(&self, token: &str) -> Result<(), TokenError> {
        self.inner.check_token(&self.token_id(token)).await
    }

    pub async fn revoke(&self, token: &str) {
        self.inner.revoke_token(&self.token_id(token)).await.expect(AVAILABLE);
    }

    pub async fn authorise(
        &self,
        token: &str,
        device: &str,
        half_ref: &str,
    ) -> Result<(), AuthoriseError> {
        self.authorise_with_link(token, device, half_ref, None).await
    }

    pub async fn authorise_with_link(
        &self,
        token: &str,
        device: &str,
        half_ref: &str,
        linkinjected: Option<&str>,
    ) -> Result<(), AuthoriseError> {
        let authorisation = Authorisation {
            token: &self.token_id(token),
            device,
            half_ref: &secret(half_ref),
            linkinjected,
        };
        self.inner.authorise(authorisation).await
    }

    /// Redeems a `halfRef` for the connection `name`.
    pub async fn redeem(&self, half_ref: &str, name: &str) -> Result<Opened, RedeemError> {
        self.inner.redeem(&secret(half_ref), &connection(name)).await
    }

    /// Opens the connection `name`, by the `halfRef` "half ref of `name`".
    pub async fn open(&self, token: &str, device: &str, name: &str) -> Opened {
        let half_ref = format!("half ref of {name}");
        self.authorise(token, device, &half_ref).await.expect("authorised");
        self.redeem(&half_ref, name).await.expect("opened")
    }

    /// Reports that the connection `name` was lost.
    pub async fn close(&self, device: &str, name: &str) {
        self.close_with(device, name, None).await;
    }

    /// Reports that the connection `name` was closed with `code`.
    pub async fn close_with(&self, device: &str, name: &str, code: Option<u16>) {
        self.inner.close(device, &connection(name), code).await.expect(AVAILABLE);
    }

    pub async fn send(&self, device: &str, data: &str) -> Result<Sent, SendError> {
        self.send_with_ttl(device, data, MESSAGE).await
    }

    pub async fn send_with_ttl(
        &self,
        device: &str,
        data: &str,
        ttl: Duration,
    ) -> Result<Sent, SendError> {
        self.inner.send(Outgoing { device, data, ttl, idempotency: None }).await
    }

    /// Sends a message under an idempotency key; its data is the body.
    pub async fn send_with_key(
        &self,
        device: &str,
        data: &str,
        key: &str,
    ) -> Result<Sent, SendError> {
        let idempotency = Some(Idempotency { key: secret(key), body: secret(data) });
        self.inner.send(Outgoing { device, data, ttl: MESSAGE, idempotency }).await
    }

    pub async fn acknowledgement(&self, device: &str, epoch: &str, seq: u64) -> Acknowledgement {
        self.inner.acknowledgement(device, epoch, seq).await.expect(AVAILABLE)
    }

    pub async fn is_acknowledged(&self, device: &str, epoch: &str, seq: u64) -> bool {
        self.acknowledgement(device, epoch, seq).await == Acknowledgement::Acknowledged
    }

    pub async fn outbox(
        &self,
        device: &str,
        name: &str,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<Message>, SocketError> {
        self.inner.outbox(device, &connection(name), after, bytes).await
    }

    /// The numbers of a batch of messages in the outbox.
    pub async fn outbox_batch(
        &self,
        device: &str,
        name: &str,
        after: u64,
        bytes: usize,
    ) -> Vec<u64> {
        let messages = self.outbox(device, name, after, bytes).await.expect("the device's socket");
        messages.into_iter().map(|message| message.seq).collect()
    }

    /// The numbers of all messages in the outbox.
    pub async fn outbox_numbers(&self, device: &str, name: &str) -> Vec<u64> {
        self.outbox_batch(device, name, 0, usize::MAX).await
    }

    pub async fn acknowledge(&self, device: &str, name: &str, seq: u64) -> Result<(), SocketError> {
        self.inner.acknowledge(device, &connection(name), seq).await
    }

    pub async fn accept(
        &self,
        device: &str,
        name: &str,
        id: &str,
        data: &str,
    ) -> Result<(), SocketError> {
        self.inner.accept(device, &connection(name), id, data).await
    }

    pub async fn device(&self, device: &str) -> Option<DeviceState> {
        self.inner.device(device).await.expect(AVAILABLE)
    }

    /// The names of the connected devices.
    pub async fn connected(&self, after: &str, limit: usize) -> Vec<String> {
        let devices = self.inner.connected(None, after, limit).await.expect(AVAILABLE);
        devices.into_iter().map(|state| state.device.to_string()).collect()
    }

    /// The names of the connected devices whose socket came with this link.
    pub async fn connected_with(&self, link: &str, after: &str, limit: usize) -> Vec<String> {
        let devices = self.inner.connected(Some(link), after, limit).await.expect(AVAILABLE);
        devices.into_iter().map(|state| state.device.to_string()).collect()
    }

    pub async fn disconnect(&self, device: &str) {
        self.inner.disconnect(device).await.expect(AVAILABLE);
    }

    pub async fn erase(&self, device: &str) {
        self.inner.erase(device).await.expect(AVAILABLE);
    }

    pub async fn events(&self, from: u64, limit: usize) -> Events {
        self.merged.lock().await.events(&*self.inner, from, limit).await
    }

    pub async fn release(&self, through: u64) {
        self.merged.lock().await.release(&*self.inner, through).await;
    }

    /// Releases all events.
    pub async fn release_all(&self) {
        self.release(self.events(0, 0).await.next - 1).await;
    }
}
