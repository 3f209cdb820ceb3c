//! Signing: a token under the current key of its algorithm.

use std::num::NonZero;
use std::thread::available_parallelism;

use jsonwebtoken::Header;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::causes::Causes;
use crate::delivery::attempt::mint::UnsignedToken;
use crate::domain::algorithm::SigningAlg;
use crate::keyring::Keyring;
use crate::token;

/// How many threads sign with RSA keys, for each core: enough that no core is idle between two signatures, and
/// few enough that hundreds of attempts do not become as many threads.
const RSA_THREADS_PER_CORE: usize = 4;

/// Signs tokens.
pub(super) struct Signer {
    keyring: Keyring,
    /// One permit for each RSA signature that is being computed.
    rsa_permits: Semaphore,
}

/// A token, and what it was made of.
pub(super) struct SignedToken<C> {
    /// The compact serialization (RFC 7515 §7.1).
    pub(super) compact: String,
    pub(super) kid: String,
    pub(super) header: Header,
    pub(super) claims: C,
}

/// Why a token could not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SigningFailure {
    /// There is no current key of this algorithm.
    NoKey(SigningAlg),
    /// The key did not sign. The log has the cause.
    Failed,
}

impl Signer {
    pub(super) fn new(keyring: Keyring) -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self { keyring, rsa_permits: Semaphore::new(cores * RSA_THREADS_PER_CORE) }
    }

    pub(super) async fn sign<C>(&self, unsigned: UnsignedToken<C>) -> Result<SignedToken<C>, SigningFailure>
    where
        C: Serialize + Send + 'static,
    {
        let UnsignedToken { alg, typ, claims } = unsigned;
        let key = self.keyring.signing_key(alg).ok_or(SigningFailure::NoKey(alg))?;
        let sign = move || {
            let kid = key.kid().to_string();
            let header = token::header(alg, &kid, typ);
            match key.encode(&header, &claims) {
                Ok(compact) => Ok(SignedToken { compact, kid, header, claims }),
                Err(error) => {
                    tracing::error!(kid, error = %Causes(&error), "signing failed");
                    Err(SigningFailure::Failed)
                }
            }
        };
        if !alg.is_rsa() {
            return sign();
        }
        // An RSA signature takes about a millisecond of CPU, for which an async worker would stall its I/O.
        let _permit = self.rsa_permits.acquire().await.map_err(|_| SigningFailure::Failed)?;
        tokio::task::spawn_blocking(sign).await.map_err(|_| SigningFailure::Failed)?
    }
}
