//! The stream under an HTTP connection: what actix reads from and writes to.
//!
//! It adds the bounds that actix does not have. actix knows a deadline for the first head of a
//! connection and one for an idle connection; a second head that never ends, a body that goes on
//! after its request was refused and a response that is not read would hold a connection for ever.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// What a client may do on an HTTP connection. Where it does more, reading and writing fail, and
/// actix closes the connection.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long it may send without getting a byte in response, from its first byte on.
    pub response_within: Duration,
    /// How many bytes it may send without getting one in response.
    pub bytes_before_response: usize,
    /// How long it may take nothing of a response.
    pub write_timeout: Duration,
}

/// A stream with [`Bounds`], and a tag that goes where the stream goes.
pub struct HttpStream<S, T> {
    stream: S,
    tag: T,
    bounds: Bounds,
    /// Read before the bytes of `stream`.
    unread: Bytes,
    /// Bytes that were read since the last write.
    bytes_read: usize,
    /// When a response must have begun; `None` while nothing was read since the last write.
    response_due: Option<Instant>,
    /// When a write must have gone on; `None` while none waits.
    write_due: Option<Instant>,
    /// Set to the next deadline or to an earlier one, so that a request does not touch it.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S, T> HttpStream<S, T> {
    /// `stream` within `bounds`.
    pub fn new(stream: S, tag: T, bounds: Bounds) -> Self {
        Self {
            stream,
            tag,
            bounds,
            unread: Bytes::new(),
            bytes_read: 0,
            response_due: None,
            write_due: None,
            timer: None,
        }
    }

    /// The tag.
    pub fn tag(&self) -> &T {
        &self.tag
    }

    /// Puts bytes back in front, to be read next. The time since they were read still counts.
    pub fn unread(&mut self, bytes: Bytes) {
        debug_assert!(self.unread.is_empty(), "nothing was put back before");
        self.unread = bytes;
    }

    /// The stream alone.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// Fails when a deadline has passed; if not, has the task woken when the next one does.
    fn poll_deadlines(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let Some(due) = self.response_due.into_iter().chain(self.write_due).min() else {
            return Ok(());
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() > due {
            timer.as_mut().reset(due);
        }
        while timer.as_mut().poll(context).is_ready() {
            if due <= Instant::now() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            timer.as_mut().reset(due);
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin, T: Unpin> AsyncRead for HttpStream<S, T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.unread.is_empty() {
            let length = this.unread.len().min(buffer.remaining());
            buffer.put_slice(&this.unread.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => {
                this.poll_deadlines(context)?;
                return Poll::Pending;
            }
        }
        let read = buffer.filled().len() - before;
        this.bytes_read = this.bytes_read.saturating_add(read);
        if this.bytes_read > this.bounds.bytes_before_response {
            return Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()));
        }
        if read > 0 && this.response_due.is_none() {
            this.response_due = Some(Instant::now() + this.bounds.response_within);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin, T: Unpin> AsyncWrite for HttpStream<S, T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let Poll::Ready(written) = Pin::new(&mut this.stream).poll_write(context, bytes) else {
            if this.write_due.is_none() {
                this.write_due = Some(Instant::now() + this.bounds.write_timeout);
            }
            this.poll_deadlines(context)?;
            return Poll::Pending;
        };
        (this.bytes_read, this.response_due, this.write_due) = (0, None, None);
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const BOUNDS: Bounds = Bounds {
        response_within: Duration::from_secs(50),
        bytes_before_response: 1000,
        write_timeout: Duration::from_secs(30),
    };

    /// A client, and the gateway's end of a connection that holds 100 bytes each way.
    fn connected() -> (DuplexStream, HttpStream<DuplexStream, ()>) {
        let (client, stream) = duplex(100);
        (client, HttpStream::new(stream, (), BOUNDS))
    }

    async fn read_some(stream: &mut HttpStream<DuplexStream, ()>) -> io::Result<usize> {
        stream.read(&mut [0; 100]).await
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_has_no_deadline() {
        let (_client, mut stream) = connected();
        let idle = tokio::time::timeout(Duration::from_secs(1000), read_some(&mut stream)).await;
        assert!(idle.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_trickles_in_fails_at_the_deadline_of_its_first_byte() {
        let (mut client, mut stream) = connected();
        let began = Instant::now();
        let trickle = tokio::spawn(async move {
            loop {
                client.write_all(b"x").await.expect("read");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let error = loop {
            if let Err(error) = read_some(&mut stream).await {
                break error;
            }
        };
        trickle.abort();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed().as_secs() == 50, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_ends_the_deadline_and_the_next_request_has_its_own() {
        let (mut client, mut stream) = connected();
        for _ in 0..5 {
            client.write_all(b"request").await.expect("room");
            read_some(&mut stream).await.expect("a request");
            tokio::time::sleep(Duration::from_secs(40)).await;
            stream.write_all(b"response").await.expect("room");
            client.read_exact(&mut [0; 8]).await.expect("a response");
        }
        client.write_all(b"r").await.expect("room");
        read_some(&mut stream).await.expect("a byte");
        let began = Instant::now();
        let error = read_some(&mut stream).await.expect_err("a deadline");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), 50);
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_that_is_not_read_fails() {
        let (mut client, mut stream) = connected();
        let began = Instant::now();
        let error = stream.write_all(&[0; 1000]).await.expect_err("a deadline");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), 30);
        client.read_exact(&mut [0; 100]).await.expect("what was written");
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_that_is_read_slowly_does_not_fail() {
        let (mut client, mut stream) = connected();
        let reader = tokio::spawn(async move {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                client.read_exact(&mut [0; 100]).await.expect("more of it");
            }
        });
        stream.write_all(&[0; 1000]).await.expect("slow, but read");
        reader.await.expect("all of it");
    }

    #[tokio::test(start_paused = true)]
    async fn endless_bytes_without_a_response_fail() {
        let (mut client, mut stream) = connected();
        let sender =
            tokio::spawn(async move { while client.write_all(&[0; 100]).await.is_ok() {} });
        let mut read = 0;
        let error = loop {
            match read_some(&mut stream).await {
                Ok(more) => read += more,
                Err(error) => break error,
            }
        };
        sender.abort();
        assert_eq!((error.kind(), read), (io::ErrorKind::QuotaExceeded, 1000));
    }

    #[tokio::test]
    async fn bytes_that_were_put_back_are_read_first() {
        let (mut client, mut stream) = connected();
        client.write_all(b"later").await.expect("room");
        stream.unread(Bytes::from_static(b"first, "));
        let mut read = [0; 12];
        stream.read_exact(&mut read).await.expect("all");
        assert_eq!(&read, b"first, later");
    }
}
