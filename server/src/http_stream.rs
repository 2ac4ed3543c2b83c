//! The stream under an HTTP connection: what actix reads from and writes to.
//!
//! It adds the bounds that actix does not have. actix knows a deadline for the first head of a
//! connection and one for an idle connection; a second head that never ends, a body that goes on
//! after its request was refused and a response that is not read would hold a connection for ever.
//! It also has actix refuse a head with a bare line feed, which actix accepts: a proxy before the
//! gateway may see another head in the same bytes (RFC 9112, section 2.2).

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

use crate::framing::Framing;

/// What a client may do on an HTTP connection. Where it does more, reading and writing fail, and
/// actix closes the connection.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long a head may take, from its first byte on.
    pub head_within: Duration,
    /// How long it may send without getting a byte in response, from its first byte on.
    pub response_within: Duration,
    /// How many bytes it may send without getting one in response.
    pub bytes_before_response: usize,
    /// How long it may take nothing of a response.
    pub write_timeout: Duration,
    /// How many bytes a second it must take on average of a response that does not fit into the
    /// buffers of the operating system, after the first `write_timeout`.
    pub write_rate: u32,
}

/// A stream with [`Bounds`], and a tag that goes where the stream goes.
pub struct HttpStream<S, T> {
    stream: S,
    tag: T,
    bounds: Bounds,
    /// Read before the bytes of `stream`.
    unread: Bytes,
    framing: Framing,
    /// When a head must have ended; `None` while none is being read.
    head_due: Option<Instant>,
    /// Bytes that were read since the last write.
    bytes_read: usize,
    /// When a response must have begun; `None` while nothing was read since the last write.
    response_due: Option<Instant>,
    /// When a write must have gone on; `None` while none waits.
    write_due: Option<Instant>,
    /// What the client took since it fell behind; `None` while everything is written.
    behind: Option<Behind>,
    /// Set to the next deadline or to an earlier one, so that a request does not touch it.
    timer: Option<Pin<Box<Sleep>>>,
}

/// A client that takes a response more slowly than it is written.
struct Behind {
    since: Instant,
    /// Bytes that it took since then.
    taken: u32,
}

impl<S, T> HttpStream<S, T> {
    /// `stream` within `bounds`.
    pub fn new(stream: S, tag: T, bounds: Bounds) -> Self {
        Self {
            stream,
            tag,
            bounds,
            unread: Bytes::new(),
            framing: Framing::default(),
            head_due: None,
            bytes_read: 0,
            response_due: None,
            write_due: None,
            behind: None,
            timer: None,
        }
    }

    /// The tag.
    pub fn tag(&self) -> &T {
        &self.tag
    }

    /// Puts bytes back in front, to be read next as the beginning of a head. The time since they
    /// were read still counts.
    pub fn unread(&mut self, bytes: Bytes) {
        debug_assert!(self.unread.is_empty(), "nothing was put back before");
        self.unread = bytes;
        self.framing = Framing::default();
    }

    /// The stream alone.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// Follows bytes that actix is about to get.
    fn follow(&mut self, bytes: &mut [u8]) {
        if self.framing.follow(bytes) {
            self.head_due = None;
        }
        if self.framing.is_in_head() && self.head_due.is_none() {
            self.head_due = Some(Instant::now() + self.bounds.head_within);
        }
    }

    /// Notes that a write waits for the client.
    fn note_wait(&mut self) {
        let now = Instant::now();
        let Bounds { write_timeout, write_rate, .. } = self.bounds;
        let behind = self.behind.get_or_insert(Behind { since: now, taken: 0 });
        let paid = Duration::from_secs(behind.taken.into()) / write_rate;
        let overall = behind.since + write_timeout + paid;
        self.write_due.get_or_insert(overall.min(now + write_timeout));
    }

    /// Fails when one of these deadlines has passed; if not, has the task woken when the next one
    /// does.
    fn poll_deadlines<const N: usize>(
        &mut self,
        deadlines: [Option<Instant>; N],
        context: &mut Context<'_>,
    ) -> io::Result<()> {
        let Some(due) = deadlines.into_iter().flatten().min() else {
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
            let before = buffer.filled().len();
            buffer.put_slice(&this.unread.split_to(length));
            this.follow(&mut buffer.filled_mut()[before..]);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => {
                let deadlines = [this.head_due, this.response_due, this.write_due];
                this.poll_deadlines(deadlines, context)?;
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
        this.follow(&mut buffer.filled_mut()[before..]);
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
            this.note_wait();
            // A head is not read on while a response waits, which is no fault of the client.
            this.poll_deadlines([this.response_due, this.write_due], context)?;
            return Poll::Pending;
        };
        (this.bytes_read, this.response_due, this.write_due) = (0, None, None);
        if let (Some(behind), Ok(taken)) = (&mut this.behind, &written) {
            let taken = u32::try_from(*taken).unwrap_or(u32::MAX);
            behind.taken = behind.taken.saturating_add(taken);
        }
        Poll::Ready(written)
    }

    /// actix flushes when everything that it has of a response is written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.behind = None;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use socket2::SockRef;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    const BOUNDS: Bounds = Bounds {
        head_within: Duration::from_secs(5),
        response_within: Duration::from_secs(50),
        bytes_before_response: 1000,
        write_timeout: Duration::from_secs(30),
        write_rate: 10,
    };

    const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

    /// A head that announces a body.
    const HEAD: &[u8] = b"PUT / HTTP/1.1\r\ncontent-length: 10000\r\n\r\n";

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
            client.write_all(HEAD).await.expect("read");
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
    async fn a_head_that_trickles_in_fails_at_its_own_deadline_every_time() {
        let (mut client, mut stream) = connected();
        for _ in 0..2 {
            client.write_all(GET).await.expect("room");
            read_some(&mut stream).await.expect("a request");
            tokio::time::sleep(Duration::from_secs(10)).await;
            stream.write_all(b"response").await.expect("room");
        }
        let began = Instant::now();
        let trickle = tokio::spawn(async move {
            client.write_all(GET).await.expect("read");
            loop {
                client.write_all(b"x").await.expect("read");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        while read_some(&mut stream).await.is_ok() {}
        trickle.abort();
        assert_eq!(began.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_ends_the_deadline_and_the_next_request_has_its_own() {
        let (mut client, mut stream) = connected();
        for _ in 0..5 {
            client.write_all(GET).await.expect("room");
            read_some(&mut stream).await.expect("a request");
            tokio::time::sleep(Duration::from_secs(40)).await;
            stream.write_all(b"response").await.expect("room");
            client.read_exact(&mut [0; 8]).await.expect("a response");
        }
        client.write_all(HEAD).await.expect("room");
        read_some(&mut stream).await.expect("a head");
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
                tokio::time::sleep(Duration::from_secs(8)).await;
                client.read_exact(&mut [0; 100]).await.expect("more of it");
            }
        });
        stream.write_all(&[0; 1000]).await.expect("slow, but read");
        reader.await.expect("all of it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_that_is_read_below_the_rate_fails() {
        let (mut client, mut stream) = connected();
        let began = Instant::now();
        let reader = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                client.read_exact(&mut [0; 5]).await.expect("some of it");
            }
        });
        let error = stream.write_all(&[0; 10_000]).await.expect_err("a deadline");
        reader.abort();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // After 59 seconds it has 295 bytes, for which it has 30 seconds and 29.5 more.
        assert_eq!(began.elapsed().as_secs(), 59);
    }

    #[tokio::test]
    async fn a_response_that_is_read_a_few_bytes_at_a_time_fails_on_a_real_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mut client = TcpStream::connect(address).await.expect("a connection");
        let (stream, _) = listener.accept().await.expect("its other end");
        // Small buffers, so that no write waits as long as it may.
        SockRef::from(&stream).set_send_buffer_size(4096).expect("a buffer");
        SockRef::from(&client).set_recv_buffer_size(4096).expect("a buffer");
        let bounds =
            Bounds { write_timeout: Duration::from_secs(2), write_rate: 1_000_000, ..BOUNDS };
        let mut stream = HttpStream::new(stream, (), bounds);
        let reader = tokio::spawn(async move {
            while client.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let error = stream.write_all(&vec![0; 10_000_000]).await.expect_err("a deadline");
        reader.abort();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_has_no_rate_after_everything_was_written() {
        let (mut client, mut stream) = connected();
        let reader = tokio::spawn(async move {
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                client.read_exact(&mut [0; 100]).await.expect("more of it");
            }
        });
        for _ in 0..20 {
            stream.write_all(&[0; 100]).await.expect("slow, but read");
            stream.flush().await.expect("flushed");
        }
        reader.await.expect("all of it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_bare_line_feed_of_a_head_does_not_arrive() {
        let (mut client, mut stream) = connected();
        client.write_all(&[HEAD, b"\n"].concat()).await.expect("room");
        let mut read = vec![0; HEAD.len()];
        stream.read_exact(&mut read).await.expect("a head");
        stream.unread(Bytes::from_static(b"GET / HTTP/1.1\n\r\n"));
        let mut read = [1; 16];
        stream.read_exact(&mut read).await.expect("another");
        assert_eq!(&read, b"GET / HTTP/1.1\0\0");
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
