//! Errors in keys, key files and the folder. The texts are for operators: each names the file and the fix, and none has
//! anything secret.

use std::io;
use std::path::PathBuf;

use super::kid::{Kid, KidError};
use super::material::KeyKind;
use crate::domain::algorithm::{SigningAlg, UnknownAlg};
use crate::watched_files::Exposure;

/// Why some bytes are not a private key that logoutd can sign with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No bytes.
    #[error("it is empty; was it cut off while it was copied?")]
    Empty,
    /// More bytes than any supported key has.
    #[error("it has more than {max} bytes, which no supported key has", max = super::folder::MAX_FILE_BYTES)]
    TooLarge,
    /// No complete PEM block.
    #[error(
        "it is not PEM, or a damaged one; expected one `-----BEGIN PRIVATE KEY-----` block (unencrypted PKCS#8)"
    )]
    NotPem,
    /// More than one PEM block.
    #[error("it holds {0} PEM blocks; put each private key, alone, into its own file")]
    ManyBlocks(usize),
    /// A PEM block that is not PKCS#8.
    #[error("it holds a `{label}` block, and needs `PRIVATE KEY` (unencrypted PKCS#8): {fix}")]
    Label {
        /// What the block calls itself.
        label: String,
        /// What to do about it.
        fix: &'static str,
    },
    /// The DER inside the PEM block is not PKCS#8.
    #[error("its `PRIVATE KEY` block is not valid PKCS#8")]
    Pkcs8,
    /// A kind of key that logoutd does not sign with.
    #[error("it holds a key of kind {0}; supported are RSA (2048 to 4096 bits), P-256, P-384 and Ed25519")]
    Unsupported(String),
    /// The numbers do not make a key.
    #[error("its {kind} key was rejected ({reason}){hint}")]
    Rejected {
        /// RSA, P-256, P-384 or Ed25519.
        kind: &'static str,
        /// ring's reason.
        reason: String,
        /// What to do about it, if that is known.
        hint: &'static str,
    },
    /// Not a JSON object of the expected shape. The content is left out: it may be secret.
    #[error("it is not a JWK: wrong JSON at line {line}, column {column}")]
    NotJwk {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A JWK Set instead of a JWK.
    #[error("it is a JWK Set; put each private JWK, alone, into its own file")]
    JwkSet,
    /// A member that this `kty` needs is not there.
    #[error("the JWK lacks `{member}`, which a private {kty} key needs{hint}")]
    Missing {
        /// The key type.
        kty: &'static str,
        /// The missing member.
        member: &'static str,
        /// What to do about it, if that is known.
        hint: &'static str,
    },
    /// A member that is not base64url, or has the wrong length.
    #[error("the JWK's `{0}` is not what RFC 7518 or RFC 8037 says: unpadded base64url of the right length")]
    Member(&'static str),
    /// A `use` other than `sig`.
    #[error("the JWK's `use` is {0:?}, and must be \"sig\" or left out")]
    Use(String),
    /// An `alg` that logoutd does not sign with.
    #[error("the JWK's `alg`: {0}")]
    Alg(UnknownAlg),
    /// An `alg` that this kind of key cannot be used for.
    #[error("{alg} does not go with its {kind} key{}", kind.only_alg().map_or(String::new(), |alg| format!("; that signs {alg}")))]
    AlgMismatch {
        /// The one asked for.
        alg: SigningAlg,
        /// The key there is.
        kind: KeyKind,
    },
    /// An RSA `alg` in the JWK other than the one it was to be used with.
    #[error("its `alg` is {jwk}, not {wanted}: a key has one alg only (RFC 8725 §3.1)")]
    AlgConflict {
        /// What the JWK says.
        jwk: SigningAlg,
        /// What was asked for, or what `keyring.json` has.
        wanted: SigningAlg,
    },
    /// The JWK's own `kid` is another.
    #[error("its `kid` is {jwk:?}, and must be {kid:?}: a key's file is named after its kid")]
    KidMismatch {
        /// What the JWK says.
        jwk: String,
        /// What the file name, or the command, says.
        kid: Kid,
    },
}

/// Why an operation on the keyring failed. It leaves the keyring as it was.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// A file in the folder is not a usable private key.
    #[error("key file {}: {reason}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: KeyError,
    },
    /// A file's stem cannot be a `kid`.
    #[error("key file {}: its name is the key's kid: {reason}", path.display())]
    FileName {
        /// The file.
        path: PathBuf,
        /// What is wrong with the stem.
        reason: KidError,
    },
    /// A file whose name is neither a key file's nor one that is ignored.
    #[error(
        "{} does not belong in the keys folder: expected *.pem, *.jwk, *.json, README.md, or a name that begins with a dot; move it elsewhere",
        .0.display()
    )]
    UnexpectedFile(PathBuf),
    /// Two files with the same stem.
    #[error("{} and {} have the same kid; remove one", first.display(), second.display())]
    SameKid {
        /// A file.
        first: PathBuf,
        /// Another.
        second: PathBuf,
    },
    /// Something else than a regular file under a name that only a file may have.
    #[error(
        "{} does not belong in the keys folder: it is {what}, and must be a regular file; move it elsewhere",
        path.display()
    )]
    NotRegular {
        /// What it is called.
        path: PathBuf,
        /// What it is, with its article.
        what: &'static str,
    },
    /// A file that others can read or change.
    #[error("key file {}: {reason}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// In what way.
        reason: Exposure,
    },
    /// A folder that others can write to, so that they could replace the keys.
    #[error("keys folder {}: {reason}", path.display())]
    FolderExposed {
        /// The folder.
        path: PathBuf,
        /// In what way.
        reason: Exposure,
    },
    /// Another process holds the folder's lock.
    #[error("{} has been locked by another process for 10 seconds; end that, or try again", .0.display())]
    LockedElsewhere(PathBuf),
    /// `keyring.json` cannot be used.
    #[error("{}: {reason}; correct it, or remove it to have every key adopted anew", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file system returned an error.
    #[error("cannot {action} {}: {error}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The error.
        error: io::Error,
    },
    /// A change was needed, and the folder does not take any.
    #[error("cannot {action}: the keys folder {} is read-only; change the keys where it comes from", path.display())]
    ReadOnly {
        /// What was to be done.
        action: String,
        /// The folder.
        path: PathBuf,
    },
    /// There were keys, and now there are none.
    #[error("the keys folder {} has no keys any more; put them back, or restart logoutd to have new ones made", .0.display())]
    AllGone(PathBuf),
    /// A client's alg that nothing can sign with.
    #[error(
        "a client uses {0}, and no key signs that now; add {0} to keys.algorithms, or import a key for it"
    )]
    NoActiveKey(SigningAlg),
    /// The `kid` is in use.
    #[error("there is a key with the kid {0:?} already; choose another")]
    KidTaken(Kid),
    /// No such key.
    #[error("there is no key with the kid {0:?}; `logoutd keys list` shows those there are")]
    UnknownKid(Kid),
    /// The key to import is not usable.
    #[error("the key to import: {0}")]
    Import(KeyError),
    /// The key to import does not say its `kid`.
    #[error("the key to import has no kid of its own; give one")]
    ImportKid,
    /// The `kid` of the JWK to import cannot be used here.
    #[error("the key to import: its `kid`: {0}")]
    ImportKidText(KidError),
    /// Making a key failed.
    #[error("cannot make a key for {0}: the system gives no randomness")]
    Generate(SigningAlg),
    /// The key's certificate could not be made.
    #[error("the certificate of the key {0:?} could not be made")]
    Certificate(Kid),
    /// RSA sizes do not apply.
    #[error("{0} keys have one size; leave the number of bits out")]
    Bits(SigningAlg),
}

impl KeyringError {
    /// For `map_err`: what was tried on which path.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { action, path, error }
    }
}

/// Why a token was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The header names another alg or another `kid` than the key's.
    #[error("the header's alg and kid must be those of the key {kid:?} ({alg})")]
    Header {
        /// The key's.
        kid: Kid,
        /// The key's.
        alg: SigningAlg,
    },
    /// Header or claims cannot be written as JSON.
    #[error("the token cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// The signature could not be made.
    #[error("the key {0:?} cannot sign")]
    Signature(Kid),
}
