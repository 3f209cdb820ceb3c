//! Randomness, as an argument.
//!
//! Ids, lease tokens, `jti`s and jitter draw from an [`Entropy`]; ambient randomness is banned by
//! `clippy.toml`, so that tests control it. Key material is not drawn here: the libraries that generate keys have
//! generators of their own.

use jiff::Timestamp;
use ring::rand::SecureRandom;
use uuid::Uuid;

/// A source of unpredictable bytes.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with random ones.
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Entropy {
    /// A random (version 4) UUID: `jti`s and lease tokens.
    pub fn uuid_v4(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    /// A time-ordered (version 7) UUID: ids of rows, so that an index on them grows at its end.
    pub fn uuid_v7(&self, now: Timestamp) -> Uuid {
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }

    /// A number uniformly drawn from `0.0..1.0`.
    pub fn fraction(&self) -> f64 {
        f64::from(u32::from_le_bytes(self.bytes())) / (f64::from(u32::MAX) + 1.0)
    }

    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// The operating system's generator.
#[derive(Clone, Debug)]
pub struct SystemEntropy(ring::rand::SystemRandom);

impl SystemEntropy {
    /// The operating system's generator.
    #[expect(clippy::new_without_default, reason = "a default would hide where randomness enters")]
    pub fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that opens the system's randomness")]
        Self(ring::rand::SystemRandom::new())
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes).expect("a kernel without working randomness cannot run a signing service");
    }
}
