//! A mock relying party: receives logout tokens over HTTP, verifies them, and answers as configured.
//!
//! It is used by `logoutd mock-rp`, `logoutd demo` and tests. It verifies every token, whatever it answers, remembers every
//! `jti` as strict receivers do, and has no sessions.

mod answer;
mod behaviour;
mod form;
mod memory;
mod received;

use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use self::answer::Answer;
pub use self::behaviour::{Behaviour, BehaviourError, MAX_SLOW};
use self::memory::Memory;
use self::received::Assessment;
pub use self::received::{Received, Verdict};
use super::keys::{FetchJwks, KeyCache};
use super::rules::Rule;
use super::token::Token;
use super::verify::{Expected, verify};
use crate::clock::Clock;

/// A mock relying party.
pub struct MockRp {
    expected: Expected,
    behaviour: Behaviour,
    keys: KeyCache,
    clock: Arc<dyn Clock>,
    memory: Mutex<Memory>,
    received: UnboundedSender<Received>,
    stopping: CancellationToken,
}

impl MockRp {
    /// A relying party that has received nothing yet.
    ///
    /// Every request is sent to `received` before it is answered. The channel is unbounded, because a
    /// slow reader must not change how the relying party answers: read it, or drop the reader.
    pub fn new(
        expected: Expected,
        behaviour: Behaviour,
        keys: impl FetchJwks,
        clock: Arc<dyn Clock>,
        received: UnboundedSender<Received>,
    ) -> Self {
        Self {
            expected,
            behaviour,
            keys: KeyCache::new(Box::new(keys)),
            clock,
            memory: Mutex::default(),
            received,
            stopping: CancellationToken::new(),
        }
    }

    /// Its HTTP side: a POST to any path is a logout request.
    pub fn router(self) -> Router {
        Router::new().fallback(post(receive)).with_state(Arc::new(self))
    }

    /// Serves until `shutdown`, then answers the requests under way and returns. Requests that hang or wait are ended at once.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let stopping = self.stopping.clone();
        axum::serve(listener, self.router())
            .with_graceful_shutdown(async move {
                shutdown.await;
                stopping.cancel();
            })
            .await
    }

    async fn assess(&self, request: Request, now: Timestamp) -> Assessment {
        let token = match form::logout_token(request).await {
            Ok(token) => Token::parse(&token),
            Err(error) => return Assessment::malformed(error),
        };
        // Without a kid no key can be selected, so nothing is fetched.
        let keys = match token.kid() {
            Some(kid) => self.keys.for_kid(kid).await,
            None => Ok(Arc::default()),
        };
        let keys = match keys {
            Ok(keys) => keys,
            Err(error) => return Assessment::unverified(error),
        };
        let mut report = verify(&token, &keys, &self.expected, now);
        report.push(match report.claim("jti").filter(|_| report.valid) {
            None => Rule::Replay.skip("only valid tokens are remembered"),
            // Stored whatever the answer is: the OP may not receive the answer, and must then not repeat the jti.
            Some(jti) if self.memory().first_with(jti) => Rule::Replay.pass("the first with this jti"),
            Some(_) => Rule::Replay.fail("a token with this jti was received before"),
        });
        Assessment::by(report)
    }

    fn answer(&self, assessment: &Assessment) -> Answer {
        let session = assessment.session().filter(|_| assessment.verdict == Verdict::Valid);
        let nth = session.map_or(0, |session| self.memory().token_for(session));
        Answer::choose(self.behaviour, assessment, nth)
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().expect("no holder of this lock panics")
    }
}

async fn receive(State(rp): State<Arc<MockRp>>, request: Request) -> Response {
    let at = rp.clock.now();
    let path = request.uri().path().to_owned();
    let assessment = rp.assess(request, at).await;
    let answer = rp.answer(&assessment);
    // The receiver may have been dropped.
    let _ = rp.received.send(assessment.into_received(at, path, answer.status()));
    answer.give(rp.stopping.cancelled()).await
}
