//! Making new private keys, as the PKCS#8 PEM text that goes into their file.

use pem::{EncodeConfig, LineEnding, Pem};
use ring::rand::SystemRandom;
use ring::signature::EcdsaKeyPair;
use rsa::PrivateKey;
use rsa::pkcs8::EncodePrivateKey as _;
use zeroize::Zeroizing;

use super::material::{Curve, RingRng, ring_random};
use crate::domain::algorithm::SigningAlg;

/// The size of a new RSA key's modulus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RsaBits {
    /// 2048: what every receiver takes, and the fastest.
    #[default]
    B2048,
    /// 3072.
    B3072,
    /// 4096: the most that ring signs with.
    B4096,
}

impl RsaBits {
    /// The number of bits.
    pub const fn bits(self) -> usize {
        match self {
            Self::B2048 => 2048,
            Self::B3072 => 3072,
            Self::B4096 => 4096,
        }
    }

    /// The size with that many bits, if there is one.
    pub fn from_bits(bits: usize) -> Option<Self> {
        [Self::B2048, Self::B3072, Self::B4096].into_iter().find(|size| size.bits() == bits)
    }
}

/// Making a key failed: the system gave no randomness.
#[derive(Debug)]
pub(super) struct NoRandomness;

/// A new private key for `alg`. `bits` matters for RSA only, where it can take seconds.
pub(super) fn pem(alg: SigningAlg, bits: RsaBits) -> Result<Zeroizing<String>, NoRandomness> {
    let random = ring_random();
    let der = match alg {
        SigningAlg::Es256 => ec(Curve::P256, &random)?,
        SigningAlg::Es384 => ec(Curve::P384, &random)?,
        SigningAlg::EdDsa => ed25519(&random)?,
        SigningAlg::Rs256
        | SigningAlg::Rs384
        | SigningAlg::Rs512
        | SigningAlg::Ps256
        | SigningAlg::Ps384
        | SigningAlg::Ps512 => rsa(bits, &random)?,
    };
    // `Pem` wants an owned copy, and gives it back to be wiped.
    let block = Pem::new("PRIVATE KEY", der.to_vec());
    let text =
        Zeroizing::new(pem::encode_config(&block, EncodeConfig::new().set_line_ending(LineEnding::LF)));
    drop(Zeroizing::new(block.into_contents()));
    Ok(text)
}

fn rsa(bits: RsaBits, random: &SystemRandom) -> Result<Zeroizing<Vec<u8>>, NoRandomness> {
    let key = PrivateKey::new(&mut RingRng(random), bits.bits()).map_err(|_| NoRandomness)?;
    let der = key.to_pkcs8_der().map_err(|_| NoRandomness)?;
    Ok(Zeroizing::new(der.as_bytes().to_vec()))
}

fn ec(curve: Curve, random: &SystemRandom) -> Result<Zeroizing<Vec<u8>>, NoRandomness> {
    let der = EcdsaKeyPair::generate_pkcs8(curve.signing(), random).map_err(|_| NoRandomness)?;
    Ok(Zeroizing::new(der.as_ref().to_vec()))
}

/// PKCS#8 version 1 (RFC 8410 §7): openssl does not read the version 2 that ring would write.
fn ed25519(random: &SystemRandom) -> Result<Zeroizing<Vec<u8>>, NoRandomness> {
    const PREFIX: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let seed: Zeroizing<[u8; 32]> =
        Zeroizing::new(ring::rand::generate(random).map_err(|_| NoRandomness)?.expose());
    Ok(Zeroizing::new([PREFIX.as_slice(), seed.as_slice()].concat()))
}
