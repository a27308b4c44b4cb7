//! A server that does what hyper's does not: it says goodbye in many ways, answers early, breaks off, sends
//! interim responses, and closes without a word after so many requests.
//!
//! Its idle timer starts when the link has accepted the last byte of the response or, if that is
//! later, when the request's body was read to its end.

use std::fmt::Write;
use std::io::Result;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout_at};

use super::client_end::request_in;
use super::ledger::Closing;
use super::origin::{Hint, Serving};
use super::pattern::{Side, is_at, piece};
use super::plan::{Fault, Framing, Method, Plan};
use super::server_end::ServerEnd;
use super::world::Goodbye;

/// Serves a connection until it ends; says why it did.
pub async fn serve(serving: Arc<Serving>, end: ServerEnd) -> Closing {
    let mut script = Script {
        serving,
        end,
        unread: BytesMut::new(),
        served: 0,
    };
    // The link's only error is that of an end which the client has let go of.
    script.serve().await.unwrap_or(Closing::Client)
}

struct Script {
    serving: Arc<Serving>,
    end: ServerEnd,
    unread: BytesMut,
    served: u64,
}

/// What became of an exchange.
enum Outcome {
    Done,
    Closes(Closing),
}

impl Script {
    async fn serve(&mut self) -> Result<Closing> {
        loop {
            let idle_timeout = self.serving.world.server.idle_timeout;
            let reading = self.read_head();
            let head = match idle_timeout {
                Some(timeout) => timeout_at(Instant::now() + timeout, reading).await,
                None => Ok(reading.await),
            };
            let Ok(head) = head else {
                return self.say_goodbye().await;
            };
            let Some(head) = head? else {
                return Ok(Closing::Client);
            };
            match self.exchange(&head).await? {
                Outcome::Done => {}
                Outcome::Closes(closing) => return Ok(closing),
            }
        }
    }

    async fn say_goodbye(&mut self) -> Result<Closing> {
        let goodbye = self.serving.world.server.goodbye;
        if goodbye == Goodbye::Reset {
            self.serving.ending.reset();
        }
        if let Some(bytes) = goodbye.bytes() {
            let serving = &self.serving;
            serving.ledger.says_goodbye(serving.connection);
            self.end.write_all(bytes).await?;
        }
        Ok(Closing::Idle)
    }

    /// The next request's head; none at the end of the stream.
    async fn read_head(&mut self) -> Result<Option<BytesMut>> {
        let mut searched = 0;
        loop {
            let found = memchr::memmem::find(&self.unread[searched..], b"\r\n\r\n");
            if let Some(at) = found {
                return Ok(Some(self.unread.split_to(searched + at + 4)));
            }
            searched = self.unread.len().saturating_sub(3);
            self.unread.reserve(4096);
            if self.end.read_buf(&mut self.unread).await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn exchange(&mut self, head: &[u8]) -> Result<Outcome> {
        let (serving, connection) = (Arc::clone(&self.serving), self.serving.connection);
        let id = request_in(head).expect("a number");
        let plan = serving.ledger.arrived(connection, id);
        self.served += 1;
        if !plan.is_early && !self.read_body(id, &plan).await? {
            return Ok(Outcome::Closes(Closing::Client));
        }
        if !plan.think.is_zero() {
            sleep(plan.think).await;
        }
        match plan.fault {
            Some(Fault::Stops) => {
                serving.ledger.ignores(id);
                while self.end.read_buf(&mut self.unread).await? > 0 {
                    self.unread.clear();
                }
                return Ok(Outcome::Closes(Closing::Client));
            }
            Some(Fault::Closes { reset }) => return Ok(self.fault(reset)),
            _ => {}
        }
        for _ in 0..plan.interim {
            let interim = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n";
            self.end.write_all(interim).await?;
        }
        let is_asked = memchr::memmem::find(head, b"connection: keep-alive").is_some();
        let hint = serving.hint(self.served, is_asked);
        serving.ledger.responding(connection, id, hint);
        if let Some(reset) = self.respond(id, &plan, &hint).await? {
            return Ok(self.fault(reset));
        }
        serving.ledger.responded(connection);
        if plan.response.framing == Framing::Delimited {
            return Ok(Outcome::Closes(Closing::Delimited));
        }
        if plan.is_early && !self.read_body(id, &plan).await? {
            return Ok(Outcome::Closes(Closing::Client));
        }
        let server = &serving.world.server;
        if serving.is_done(self.served) && server.linger.is_zero() {
            let announced = server.announces;
            return Ok(Outcome::Closes(Closing::Served { announced }));
        }
        serving.retire(self.served);
        Ok(Outcome::Done)
    }

    fn fault(&self, reset: bool) -> Outcome {
        if reset {
            self.serving.ending.reset();
        }
        Outcome::Closes(Closing::Fault)
    }

    /// Reads the request's body; false if it ends too early.
    async fn read_body(&mut self, id: u64, plan: &Plan) -> Result<bool> {
        let serving = Arc::clone(&self.serving);
        let mut offset = 0;
        while offset < plan.request.len {
            if self.unread.is_empty() {
                self.unread.reserve(64 << 10);
                if self.end.read_buf(&mut self.unread).await? == 0 {
                    serving.ledger.request_ended(serving.connection, id);
                    return Ok(false);
                }
            }
            let left = plan.request.len - offset;
            let part = self.unread.len().min(left as usize);
            if !is_at(id, Side::Request, offset, &self.unread[..part]) {
                let serving = &self.serving;
                serving
                    .ledger
                    .request_altered(serving.connection, id, offset);
                return Ok(false);
            }
            self.unread.advance(part);
            offset += part as u64;
        }
        serving.ledger.arrived_whole(id);
        Ok(true)
    }

    /// Writes the response. If it is to break off, says whether with a reset.
    async fn respond(&mut self, id: u64, plan: &Plan, hint: &Hint) -> Result<Option<bool>> {
        let payload = &plan.response;
        let mut head = format!("HTTP/1.1 200 OK\r\nx-id: {id}\r\n");
        if let Some(hint) = hint.value() {
            head += &format!("Keep-Alive: {hint}\r\n");
        }
        match payload.framing {
            Framing::Sized => head += &format!("Content-Length: {}\r\n", payload.len),
            Framing::Chunked => head += "Transfer-Encoding: chunked\r\n",
            Framing::Delimited => head += "Connection: close\r\n",
        }
        head += "\r\n";
        let is_chunked = payload.framing == Framing::Chunked;
        let mut out = BytesMut::from(head.as_bytes());
        let mut offset = 0;
        let len = if plan.method == Method::Head {
            0
        } else {
            payload.len
        };
        while offset < len {
            if offset >= len / 2 {
                if let Some(Fault::BreaksOff { reset }) = plan.fault {
                    self.end.write_all_buf(&mut out).await?;
                    return Ok(Some(reset));
                }
            }
            if offset > 0 && !payload.pause.is_zero() {
                self.end.write_all_buf(&mut out).await?;
                sleep(payload.pause).await;
            }
            let most = (len - offset).min(payload.piece as u64) as usize;
            let piece = piece(id, Side::Response, offset, most);
            offset += piece.len() as u64;
            if is_chunked {
                write!(out, "{:X};size={most}\r\n", piece.len()).expect("memory");
            }
            out.extend_from_slice(&piece);
            if is_chunked {
                out.extend_from_slice(b"\r\n");
            }
            if out.len() >= 64 << 10 {
                self.end.write_all_buf(&mut out).await?;
            }
        }
        if is_chunked && plan.method != Method::Head {
            out.extend_from_slice(b"0\r\n\r\n");
        }
        self.end.write_all_buf(&mut out).await?;
        Ok(None)
    }
}
