//! The bench's side of the relying party: starts it, asks it, ends it.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::{Addresses, Arrival};
use crate::http::{Answer, Connection};
use crate::options::RELYING_PARTY;

/// The relying party, running. It ends when this is dropped.
pub struct RelyingParty {
    child: Child,
    addresses: Addresses,
    /// Bound but not listening: nobody else can have the port, and whoever dials it is refused.
    dead: TcpSocket,
}

impl RelyingParty {
    /// Starts this very program again, as the relying party.
    pub fn start() -> anyhow::Result<Self> {
        let dead = TcpSocket::new_v4()?;
        dead.bind("127.0.0.1:0".parse()?)?;
        let child = Command::new(std::env::current_exe()?)
            .arg(RELYING_PARTY)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A Ctrl-C is the bench's to handle.
            .process_group(0)
            .spawn()
            .context("the relying party cannot be started")?;
        // From here on it is ended by the drop, whatever goes wrong.
        let unknown = "127.0.0.1:0".parse()?;
        let mut rp = Self { child, addresses: Addresses { tokens: unknown, control: unknown }, dead };
        let stdout = rp.child.stdout.take().context("its output is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        rp.addresses = serde_json::from_str(&line).context("the relying party did not start")?;
        Ok(rp)
    }

    /// A logout URI at which it answers 200.
    pub fn healthy_uri(&self, client_id: &str) -> String {
        format!("http://{}/logout/{client_id}", self.addresses.tokens)
    }

    /// One at which it takes the request and never answers.
    pub fn hanging_uri(&self) -> String {
        format!("http://{}/hang", self.addresses.tokens)
    }

    /// One at which nobody listens.
    pub fn dead_uri(&self) -> anyhow::Result<String> {
        Ok(format!("http://{}/logout", self.dead.local_addr()?))
    }

    /// Counts from 0 again. With `record` it keeps when each token came.
    pub async fn begin(&self, expected: u64, record: bool) -> anyhow::Result<()> {
        let request = format!(
            "POST /begin?expected={expected}&record={record} HTTP/1.1\r\nhost: localhost\r\n\
             content-length: 0\r\n\r\n"
        );
        self.ask(request.as_bytes()).await?;
        Ok(())
    }

    /// Returns when as many tokens have come as were expected, or says that they did not.
    pub async fn reached(&self, patience: Duration) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.addresses.control).await?;
        match timeout(patience, connection.get("/reached")).await {
            Ok(answer) => answer.map(drop),
            Err(_) => bail!("not all tokens arrived within {patience:?}"),
        }
    }

    /// What came since the count began.
    pub async fn arrivals(&self) -> anyhow::Result<Vec<Arrival>> {
        let answer = self.ask(b"GET /arrivals HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
        Ok(serde_json::from_slice(&answer.body)?)
    }

    async fn ask(&self, request: &[u8]) -> anyhow::Result<Answer> {
        let mut connection = Connection::open(self.addresses.control).await?;
        let answer = connection.send(request).await.context("the relying party does not answer")?;
        ensure!(answer.status == 200, "the relying party answered the bench {}", answer.status);
        Ok(answer)
    }
}

impl Drop for RelyingParty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
